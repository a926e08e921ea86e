// Text files, whole to read and line by line to write. See text_file.h.
#include "examples/lib/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "examples/lib/utf8.h"
#include "tensor/error.h"

namespace fovea::lib {
namespace {

// "cannot read notes.txt: No such file or directory"; reads errno.
[[noreturn]] void fail_with_reason(const char* what, const std::string& path) {
  const std::string reason = std::generic_category().message(errno);
  fail(ErrorKind::file, "cannot ", what, " ", path.empty() ? "\"\"" : path, ": ", reason);
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

std::string read_file(const std::string& path) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) fail_with_reason("read", path);
  std::string bytes;
  std::vector<char> buffer(1 << 16);
  while (true) {  // not by the size that the system reports: a pipe has none
    const ssize_t got = read(file.fd, buffer.data(), buffer.size());
    if (got == 0) return bytes;
    if (got > 0)
      bytes.append(buffer.data(), static_cast<size_t>(got));
    else if (errno != EINTR)
      fail_with_reason("read", path);
  }
}

std::u32string read_text(const std::vector<std::string>& paths) {
  if (paths.empty()) fail(ErrorKind::file, "no text file is named");
  std::u32string text;
  for (const std::string& path : paths) {
    const std::string bytes = read_file(path);
    if (bytes.empty()) fail(ErrorKind::file, "cannot use ", path, ": the file is empty");
    text += decode_utf8(bytes, path);
  }
  return text;
}

AppendFile::AppendFile(std::string path, Open how) : path_(std::move(path)) {
  const int start = how == Open::fresh ? O_TRUNC : 0;
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | start, 0666);
  if (fd_ < 0) fail_with_reason("write", path_);
}

AppendFile::~AppendFile() { close(fd_); }

void AppendFile::append(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd_, text.data(), text.size());
    if (written >= 0)
      text.remove_prefix(static_cast<size_t>(written));
    else if (errno != EINTR)
      fail_with_reason("write", path_);
  }
}

void AppendFile::keep_first(int64_t bytes) {
  if (ftruncate(fd_, bytes) != 0) fail_with_reason("shorten", path_);
}

}  // namespace fovea::lib
