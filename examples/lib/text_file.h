// Text files, whole to read and line by line to write, with errors that name the file and the system's reason.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::lib {

// All bytes of a file or a pipe. Throws FileError: no such file, a directory, no permission.
std::string read_file(const std::string& path);

// The texts of several files, one after another with nothing between, as code points. Throws FileError also for a file
// that is empty or not UTF-8, and for an empty list.
std::u32string read_text(const std::vector<std::string>& paths);

// A file that grows by whole lines. Each is handed to the system at once and checked, so that a program that is killed
// loses none, and a full disk is an error and not a gap.
class AppendFile {
 public:
  enum class Open { fresh, keep };  // start with an empty file, or go on behind what is there (if anything)

  AppendFile(std::string path, Open how);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  const std::string& path() const { return path_; }
  void append(std::string_view text);  // throws FileError where it cannot be written whole
  void keep_first(int64_t bytes);      // forgets what lies behind them

 private:
  std::string path_;
  int fd_;
};

}  // namespace fovea::lib
