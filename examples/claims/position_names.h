// The schemes of positions by the names that their authors gave them.
#pragma once
#include <string>

#include "nn/positions.h"

namespace fovea::claims {

inline std::string title_of(nn::Positions positions) {
  switch (positions) {
    case nn::Positions::t5: return "T5";
    case nn::Positions::transformer_xl: return "Transformer-XL";
    case nn::Positions::deberta: return "DeBERTa";
    case nn::Positions::alibi: return "ALiBi";
    case nn::Positions::rope: return "RoPE";
    default: return nn::name(positions);  // none, sinusoidal, learned
  }
}

}  // namespace fovea::claims
