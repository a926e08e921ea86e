# fovea: `make run` trains a small Transformer, `make test` proves the library, `make help` lists the rest.
# Everything that is built lies under $(BUILD).

CXX      ?= g++
ifeq ($(origin CXX),default)
CXX      := g++
endif
BUILD    ?= build
PREFIX   ?= /usr/local
VERSION  := 0.1.0
comma    := ,
SAN      ?=
# Three degrees, for time where there are loops and for a quick build elsewhere. Kernels: -O2. The rest of tensor/: what
# makes a difference to its loops; all of -O2 would take g++ a third longer for no gain that can be measured. What is built
# on tensor/ has no loops over elements: -Og, which costs a recorded operation 10 ns and a training step nothing.
OPT      ?= -Og
OPT_TENSOR ?= $(if $(SAN),-Og,$(if $(findstring clang,$(CXX)),-O2,-O1 -ftree-vectorize -fvect-cost-model=very-cheap \
            -ftree-loop-distribute-patterns -finline-small-functions -fstrict-aliasing -foptimize-sibling-calls))
OPT_KERNELS ?= $(if $(SAN),-O1,-O2)
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual $(WERROR)
Q        := $(if $(V),,@)
say       = @printf '  %-6s %s\n' $(1) $(2)
# Contraction is off: a fused multiply-add happens where the source says fma, so every machine computes the same bits.
CXXFLAGS ?=
FLAGS    := -std=c++20 $(OPT) -fPIC -pthread -ffp-contract=off -fno-math-errno -fno-trapping-math -I. $(WARN) $(CXXFLAGS)
LDFLAGS  += -pthread
ifneq ($(SAN),)
override BUILD := $(BUILD)/$(SAN)
FLAGS    += -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -g1 -DFOVEA_DEBUG
LDFLAGS  += -fsanitize=$(SAN)
endif

# --- instruction sets: each file of tensor/kernels/ is compiled once per level -----------------------------------
# The library holds the best level of this machine: each costs a fifth of a build. LEVELS=all takes them all, for a
# library that goes elsewhere; which one runs is decided when it starts.
TARGET   := $(shell $(CXX) -dumpmachine)
ifneq ($(filter x86_64%,$(TARGET)),)
ALL_LEVELS := baseline avx2 avx512
NATIVE   := $(shell $(CXX) -march=native -dM -E -x c++ /dev/null)
if_native = $(if $(filter-out $(NATIVE),$(2)),,$(1))
OWN_LEVELS := $(strip baseline $(call if_native,avx2,__AVX2__ __FMA__) \
              $(call if_native,avx512,__AVX512F__ __AVX512DQ__ __AVX512VL__ __AVX512BW__))
WIDE_LEVEL := wide
else
ALL_LEVELS := baseline
OWN_LEVELS := baseline
endif
LEVELS   ?= $(lastword $(OWN_LEVELS))
ifeq ($(LEVELS),all)
override LEVELS := $(ALL_LEVELS)
endif
ifneq ($(filter-out $(ALL_LEVELS),$(LEVELS))$(if $(LEVELS),,none),)
$(error LEVELS='$(LEVELS)': this is all, or some of: $(ALL_LEVELS))
endif
# The tests and the benchmarks have the others too that this machine can run. (Under the sanitizers the wide one alone
# would take a minute to compile.)
OTHER_LEVELS := $(filter-out $(LEVELS),$(OWN_LEVELS)) $(if $(SAN),,$(WIDE_LEVEL))
LEVEL_FLAGS_baseline :=
LEVEL_FLAGS_avx2     := -mavx2 -mfma
LEVEL_FLAGS_avx512   := -mavx512f -mavx512dq -mavx512vl -mavx512bw -mavx2 -mfma -mprefer-vector-width=512
# The source for the 64-byte vectors of AVX-512, proven on machines that have only AVX2.
LEVEL_FLAGS_wide     := -DFOVEA_VECTOR_BYTES=64 $(LEVEL_FLAGS_avx2)
# Vectors only ever pass between inlined functions, so the note about their calling convention does not apply.
KERNEL_FLAGS := $(OPT_KERNELS) -Wno-psabi $(if $(findstring address,$(SAN)),--param asan-stack=0)

KERNELS  := $(wildcard tensor/kernels/*.cpp)
SOURCES  := $(wildcard tensor/*.cpp autograd/*.cpp nn/*.cpp optim/*.cpp)
HEADERS  := $(wildcard tensor/*.h autograd/*.h nn/*.h optim/*.h)

# The files of a folder are compiled together: what their headers cost is paid once, which makes a build three times
# faster. (`make check` compiles each by itself, so none leans on another.)
UNIT_files   := $(patsubst %,tensor/%.cpp,cpu dispatch einsum environment error file json machine print safetensors)
UNIT_tensor  := $(filter-out $(UNIT_files),$(sort $(wildcard tensor/*.cpp)))
UNIT_autograd := $(sort $(wildcard autograd/*.cpp))
UNIT_nn      := $(sort $(wildcard nn/*.cpp optim/*.cpp))
UNIT_book    := $(sort $(wildcard examples/lib/plot*.cpp)) $(patsubst %,examples/lib/%.cpp,csv dates idx pictures scenes sequences)
UNIT_frame   := $(sort $(wildcard examples/claims/frame/*.cpp))
UNIT_lib     := $(filter-out examples/lib/own_text.cpp $(UNIT_book),$(sort $(wildcard examples/lib/*.cpp)))

# In the order of a build, which starts with what others wait for: kernels while the standard headers are parsed, then
# the long units; the examples come last, short ones at the end.
compiled_for = $(foreach level,$(1),$(KERNELS:tensor/kernels/%.cpp=$(BUILD)/kernels/$(level)/%.o))
UNITS    := tensor autograd nn files lib
OBJECTS  := $(call compiled_for,$(firstword $(LEVELS))) $(patsubst %,$(BUILD)/unit/%.o,$(filter-out lib,$(UNITS))) \
            $(call compiled_for,$(wordlist 2,9,$(LEVELS)))
LIBRARY  := $(BUILD)/libfovea.a
PCH      := $(BUILD)/pch/std.h

EXAMPLES := $(patsubst examples/%.cpp,$(BUILD)/bin/%,$(wildcard examples/[a-z]*.cpp examples/[0-9]*.cpp))
HELPERS  := $(BUILD)/unit/lib.o $(BUILD)/obj/examples/lib/own_text.o
FRAME    := $(BUILD)/unit/frame.o $(BUILD)/unit/book.o
CLAIMS   := $(patsubst %.cpp,$(BUILD)/obj/%.o,$(wildcard examples/claims/*.cpp)) $(BUILD)/claims_sources.o
TESTS    := $(patsubst %.cpp,$(BUILD)/obj/%.o,$(filter-out tests/more_isas.cpp,$(wildcard tests/*.cpp)))
OTHERS   := $(call compiled_for,$(OTHER_LEVELS)) $(BUILD)/obj/tests/more_isas.o
PROBES   := $(foreach level,$(LEVELS) $(OTHER_LEVELS),$(patsubst tests/levels/%.cpp,$(BUILD)/levels/$(level)/%.o,$(wildcard tests/levels/*.cpp)))
BENCHES  := $(patsubst tests/bench/%.cpp,$(BUILD)/bin/%,$(wildcard tests/bench/*.cpp))

# All cores, unless a number of jobs is given.
ifeq ($(filter -j% --jobs%,$(MAKEFLAGS)),)
MAKEFLAGS += --jobs=$(shell nproc 2>/dev/null || echo 2)
endif

.PHONY: all run test claims bench check format install clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PCH).gch $(UNITS:%=$(BUILD)/unit/%.cpp) $(LIBRARY) $(EXAMPLES)  ## the library and the examples

# --- how things are built ----------------------------------------------------------------------------------------
# A change of compiler or flags rebuilds: every object depends on this record of them.
STAMP := $(BUILD)/flags
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CXX) $(FLAGS))
$(shell mkdir -p $(BUILD) && printf '%s\n' '$(CXX) $(FLAGS)' > $(STAMP))
endif
# With other levels only tensor/dispatch.cpp changes.
HELD := $(BUILD)/levels_held
ifneq ($(shell cat $(HELD) 2>/dev/null),$(LEVELS))
$(shell printf '%s\n' '$(LEVELS)' > $(HELD))
endif

# The standard headers that several units include, parsed once: a third of the time of a build. What stands in them
# is optimised as it was here, whatever the file that uses it asks for: so as tensor/ needs it.
STD_HEADERS := algorithm array atomic charconv chrono cmath cstdint functional initializer_list map memory optional \
               ostream set span sstream string string_view type_traits utility variant vector
$(PCH).gch: $(STAMP)
	@mkdir -p $(@D)
	$(call say,c++,"the standard headers")
	$(Q)printf '#include <%s>\n' $(STD_HEADERS) > $(PCH)
	$(Q)$(CXX) $(FLAGS) $(OPT_TENSOR) -x c++-header $(PCH) -o $@

$(BUILD)/obj/%.o: %.cpp $(STAMP) $(PCH).gch
	@mkdir -p $(@D)
	$(call say,c++,$<)
	$(Q)$(CXX) $(FLAGS) -include $(PCH) -MMD -MP -c $< -o $@

define UNIT_RULE
$(BUILD)/unit/$(1).cpp: $(UNIT_$(1)) $(sort $(dir $(UNIT_$(1))))
	@mkdir -p $$(@D)
	@printf '#include "%s"\n' $(UNIT_$(1)) > $$@
$(BUILD)/unit/$(1).o: $(BUILD)/unit/$(1).cpp $(STAMP) $(PCH).gch
	$$(call say,c++,"$(patsubst %.cpp,%,$(notdir $(UNIT_$(1))))")
	$$(Q)$$(CXX) $$(FLAGS) -include $(PCH) -MMD -MP -c $$< -o $$@
endef
$(foreach unit,$(UNITS) book frame,$(eval $(call UNIT_RULE,$(unit))))
$(BUILD)/unit/tensor.o: FLAGS += $(OPT_TENSOR)
$(BUILD)/unit/files.o: FLAGS += $(patsubst %,-DFOVEA_WITHOUT_%,$(filter-out $(LEVELS),$(ALL_LEVELS)))
$(BUILD)/unit/files.o: $(HELD)

define KERNEL_RULE
$(BUILD)/kernels/$(1)/%.o: tensor/kernels/%.cpp $(STAMP)
	@mkdir -p $$(@D)
	$$(call say,c++,"$$< ($(1))")
	$$(Q)$$(CXX) $$(FLAGS) $$(KERNEL_FLAGS) $$(LEVEL_FLAGS_$(1)) -DFOVEA_LEVEL=$(1) -MMD -MP -c $$< -o $$@

$(BUILD)/levels/$(1)/%.o: tests/levels/%.cpp $(STAMP)
	@mkdir -p $$(@D)
	$$(call say,c++,"$$< ($(1))")
	$$(Q)$$(CXX) $$(FLAGS) $$(KERNEL_FLAGS) $$(LEVEL_FLAGS_$(1)) -DFOVEA_LEVEL=$(1) -MMD -MP -c $$< -o $$@
endef
$(foreach level,$(LEVELS) $(OTHER_LEVELS),$(eval $(call KERNEL_RULE,$(level))))

# What char_gpt trains on when it is given no text.
OWN_TEXT := $(BUILD)/own_text.txt
$(OWN_TEXT): README.md $(HEADERS) $(SOURCES) $(wildcard examples/*.cpp)
	@mkdir -p $(@D)
	$(Q)cat $^ > $@
$(BUILD)/obj/examples/lib/own_text.o: $(OWN_TEXT)
$(BUILD)/obj/examples/lib/own_text.o: FLAGS += -DFOVEA_OWN_TEXT='"$(OWN_TEXT)"'

# The lab book shows the text of its experiments.
$(BUILD)/claims_sources.cpp: $(sort $(wildcard examples/claims/*.cpp)) examples/claims
	@mkdir -p $(@D)
	@{ printf '#include "examples/claims/frame/code.h"\nconst std::vector<fovea::claims::Source> fovea::claims::embedded_sources = {\n'; \
	for f in $(filter %.cpp,$^); do printf '{"%s", R"~~~~(' $$f; cat $$f; printf ')~~~~"},\n'; done; printf '};\n'; } > $@
$(BUILD)/claims_sources.o: $(BUILD)/claims_sources.cpp $(STAMP)
	$(Q)$(CXX) $(FLAGS) -MMD -MP -c $< -o $@

$(LIBRARY): $(OBJECTS)
	$(call say,ar,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/bin/%: $(BUILD)/obj/examples/%.o $(HELPERS) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CXX) $^ $(LDFLAGS) -o $@

$(BUILD)/bin/%: $(BUILD)/obj/tests/bench/%.o $(OTHERS) $(HELPERS) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CXX) $^ $(LDFLAGS) -o $@

$(BUILD)/bin/claims: $(CLAIMS) $(FRAME) $(HELPERS) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CXX) $^ $(LDFLAGS) -o $@

# --- tests -------------------------------------------------------------------------------------------------------
# doctest comes from the system where it is installed; else it is fetched into $(BUILD), no root needed.
ifeq ($(shell printf '\043include <doctest/doctest.h>\n' | $(CXX) -E -x c++ - >/dev/null 2>&1 && echo found),)
DOCTEST  := $(BUILD)/doctest/doctest/doctest.h
endif
# g++ 12 sees overlaps and dangling pointers in correct uses of std::string and initialiser lists. Under the sanitizers
# the text of the tests is not looked at for null and misaligned pointers: that would double its size.
$(TESTS): FLAGS += $(if $(findstring undefined,$(SAN)),-fno-sanitize=null$(comma)alignment$(comma)object-size$(comma)vptr) \
                   $(if $(DOCTEST),-isystem $(BUILD)/doctest) -Wno-psabi \
                   $(if $(findstring clang,$(CXX)),,-Wno-restrict -Wno-array-bounds -Wno-dangling-pointer -Wno-stringop-overflow)
$(TESTS): | $(DOCTEST)

$(BUILD)/doctest/doctest/doctest.h:
	@mkdir -p $(@D) $(BUILD)/deb
	(cd $(BUILD)/deb && apt-get download doctest-dev && dpkg -x doctest-dev*.deb . && cp usr/include/doctest/doctest.h ../doctest/doctest/) \
	|| curl -fsSL -o $@ https://raw.githubusercontent.com/doctest/doctest/v2.4.9/doctest/doctest.h \
	|| wget -qO $@ https://raw.githubusercontent.com/doctest/doctest/v2.4.9/doctest/doctest.h

$(BUILD)/bin/tests: $(TESTS) $(OTHERS) $(FRAME) $(HELPERS) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CXX) $(filter %.o,$^) -Wl,--whole-archive $(LIBRARY) -Wl,--no-whole-archive $(LDFLAGS) -o $@

# One file of tests by itself: make build/bin/test_shape
$(BUILD)/bin/test_%: $(BUILD)/obj/tests/test_%.o $(filter-out $(BUILD)/obj/tests/test_%,$(TESTS)) $(OTHERS) $(FRAME) $(HELPERS) $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,link,$@)
	$(Q)$(CXX) $(filter %.o,$^) -Wl,--whole-archive $(LIBRARY) -Wl,--no-whole-archive $(LDFLAGS) -o $@

# tests/levels/: what the tests see of the kernel headers, compiled once per level like the kernels themselves.
$(BUILD)/bin/tests $(BUILD)/bin/test_math $(BUILD)/bin/math_ulp: $(PROBES)

test: $(BUILD)/bin/tests $(EXAMPLES)  ## every test, under every instruction set of this machine
	$(RUNNER) $(BUILD)/bin/tests $(TEST_FLAGS)

# --- everyday commands -------------------------------------------------------------------------------------------
run: $(BUILD)/bin/char_gpt  ## train a small GPT on fovea's own sources, and let it write
	$(BUILD)/bin/char_gpt --out $(BUILD)/run

claims: $(BUILD)/bin/claims  ## the lab book: every claim of the notes put to the test, as a page (build/claims/index.html)
	$(BUILD)/bin/claims --out $(BUILD)/claims $(CLAIMS_FLAGS)

bench: $(BENCHES)  ## measure this machine, and write its figures into the README
	tests/bench/run.sh $(BUILD)/bin README.md

check: $(LIBRARY)  ## format, layering, weak symbols, warnings (with both compilers, where both are installed)
	tests/check.sh $(BUILD) '$(filter-out $(OPT),$(FLAGS)) -DFOVEA_OWN_TEXT="README.md" $(if $(DOCTEST),-isystem $(BUILD)/doctest)'

format:  ## put the sources into the project's style
	clang-format -i $(shell git ls-files '*.h' '*.cpp')

install: $(LIBRARY)  ## headers, libfovea.a and a pkg-config file, under $(DESTDIR)$(PREFIX)
	for h in $(HEADERS) $(wildcard tensor/kernels/*.h); do install -D -m 644 $$h $(DESTDIR)$(PREFIX)/include/fovea/$$h || exit 1; done
	install -D -m 644 $(LIBRARY) $(DESTDIR)$(PREFIX)/lib/libfovea.a
	mkdir -p $(DESTDIR)$(PREFIX)/lib/pkgconfig
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: fovea' 'Description: Attention from scratch: tensors, autodiff, Transformers' \
	  'Version: $(VERSION)' 'Cflags: -std=c++20 -I$${prefix}/include/fovea' 'Libs: -L$${prefix}/lib -lfovea -pthread' \
	  > $(DESTDIR)$(PREFIX)/lib/pkgconfig/fovea.pc

clean:  ## remove everything that was built
	rm -rf $(BUILD)

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | while IFS="$$(printf '\t')" read -r name text; do \
	  printf '  make %-9s %s\n' "$$name" "$$text"; done
	@printf '\nVariables: CXX=clang++ · BUILD=folder · SAN=address|undefined|thread · LEVELS=all · RUNNER=emulator · PREFIX= DESTDIR= · V=1 shows the commands\n'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
