// Files: read at checked places, and replaced in one step, so that whatever happens at whatever moment (a crash, a
// full disk, kill -9) the old file or the new one is there, whole.
//
// Every error is a FileError that names the file, what failed and the system's reason.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fovea {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int number() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int release();
  int number_;
};

bool file_exists(const std::string& path);  // a file or a folder of that name

void make_folders(const std::string& path);  // the folder, and those above it that are missing

// A regular file, open for reading.
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  int64_t size() const { return size_; }                     // in bytes, when it was opened
  void read(int64_t offset, std::span<std::byte> to) const;  // all of it; the file's end inside is an error

 private:
  std::string path_;
  Descriptor file_;
  int64_t size_ = 0;
};

enum class KeepPrevious { no, yes };

// Where write_file and AtomicFile keep the version before the last: the file's name + ".previous".
std::string previous_version(const std::string& path);

// A file that appears under its name, or takes the place of the one that is there, only when it is complete. Until
// then it grows beside it as name + ".tmp"; without a commit that is removed again. A link is followed: what it
// points to is replaced. An old file's permissions pass to the new one. Two writers of one name at once: the second
// gets an error. What a killed writer left behind, the next one clears away.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void commit(KeepPrevious keep = KeepPrevious::no);  // flushes the file, renames it, flushes its folder

 private:
  void open_temporary(int mode);
  void remove_leftover(const std::string& name) const;
  void keep_previous() const;
  [[noreturn]] void failed(const std::string& what) const;  // with the reason from errno

  std::string path_;       // as the caller named it
  std::string target_;     // with links followed
  std::string temporary_;  // empty: there is none
  int mode_ = -1;          // the old file's; -1: there is none
  Descriptor folder_, file_;
};

// The whole file in one call.
void write_file_atomically(const std::string& path, std::string_view bytes, KeepPrevious keep = KeepPrevious::no);

}  // namespace fovea
