#include "tensor/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

#include "tensor/error.h"

namespace fovea {
namespace {

constexpr size_t largest_transfer = size_t(1) << 30;  // some systems take no more than 2 GiB in one call

std::string reason(int error) { return std::generic_category().message(error); }

// What the path names once links are followed, whether or not a file is there yet.
std::string follow_links(const std::string& path) {
  std::string result = path, text(PATH_MAX, '\0');
  for (int links = 0; links < 40; ++links) {
    const ssize_t length = ::readlink(result.c_str(), text.data(), text.size());
    if (length < 0) return result;  // no link
    const std::string folder = text[0] == '/' ? "" : result.substr(0, result.rfind('/') + 1);
    result = folder + text.substr(0, size_t(length));
  }
  fail(ErrorKind::file, "write \"", path, "\": ", reason(ELOOP));
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
}

// Whether the name still stands for the file that is open.
bool names(const std::string& name, const Descriptor& file) {
  struct stat open {
  }, named{};
  return ::fstat(file.number(), &open) == 0 && ::lstat(name.c_str(), &named) == 0 && open.st_ino == named.st_ino &&
         open.st_dev == named.st_dev;
}

}  // namespace

// --- Descriptor ---------------------------------------------------------------------------------------------------

int Descriptor::release() { return std::exchange(number_, -1); }

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

// --- paths ----------------------------------------------------------------------------------------------------------

bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

void make_folders(const std::string& path) {
  struct stat status {};
  for (size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string folder = path.substr(0, end);
    if (::mkdir(folder.c_str(), 0777) == 0) continue;
    if (::stat(folder.c_str(), &status) == 0) errno = S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
    if (errno != 0) fail(ErrorKind::file, path, ": cannot make this folder: ", reason(errno));
  }
}

// --- InputFile ----------------------------------------------------------------------------------------------------

InputFile::InputFile(const std::string& path)
    : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {  // a pipe must not block
  struct stat status {};
  if (!file_ || ::fstat(file_.number(), &status) != 0) fail(ErrorKind::file, "read \"", path, "\": ", reason(errno));
  if (S_ISDIR(status.st_mode)) fail(ErrorKind::file, "read \"", path, "\": ", reason(EISDIR));
  if (!S_ISREG(status.st_mode)) fail(ErrorKind::file, "read \"", path, "\": not a regular file");
  size_ = status.st_size;
}

void InputFile::read(int64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t got = ::pread(file_.number(), to.data(), std::min(to.size(), largest_transfer), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorKind::file, "read \"", path_, "\": ", reason(errno));
    if (got == 0) fail(ErrorKind::file, "read \"", path_, "\": the file ends at byte ", offset, ", more was expected");
    to = to.subspan(size_t(got));
    offset += got;
  }
}

// --- AtomicFile ---------------------------------------------------------------------------------------------------

std::string previous_version(const std::string& path) { return follow_links(path) + ".previous"; }

// Whatever can be refused is refused here, before anything is written. The last step creates the temporary.
AtomicFile::AtomicFile(const std::string& path) : path_(path), target_(follow_links(path)) {
  const std::string folder = folder_of(target_);
  struct stat old {};
  if (::stat(target_.c_str(), &old) == 0) {
    if (S_ISDIR(old.st_mode)) fail(ErrorKind::file, "write \"", path, "\": ", reason(EISDIR));
    if (!S_ISREG(old.st_mode)) fail(ErrorKind::file, "write \"", path, "\": not a regular file");
    if (::faccessat(AT_FDCWD, target_.c_str(), W_OK, AT_EACCESS) != 0) failed("may not replace the file that is there");
    mode_ = int(old.st_mode & 0777);
  }
  folder_ = Descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder_) failed("cannot open the folder \"" + folder + "\"");
  open_temporary(mode_ < 0 ? 0666 : 0600);  // the system takes the umask off; an old file's mode follows in commit
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::failed(const std::string& what) const {
  fail(ErrorKind::file, "write \"", path_, "\": ", what, ": ", reason(errno));
}

// Creates the temporary and locks it, so that another writer can tell it from what a killed one left behind. Between
// any two steps another writer may take it for that and remove it; then start anew.
void AtomicFile::open_temporary(int mode) {
  const std::string name = target_ + ".tmp";
  for (int attempt = 0; attempt < 100; ++attempt) {
    file_ = Descriptor(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode_t(mode)));
    if (!file_ && errno != EEXIST) failed("cannot create \"" + name + "\"");
    if (!file_) {
      remove_leftover(name);
      continue;
    }
    const bool taken = ::flock(file_.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (!taken && names(name, file_)) {
      temporary_ = name;
      return;
    }
  }
  failed("cannot create \"" + name + "\"");
}

void AtomicFile::remove_leftover(const std::string& name) const {
  const Descriptor leftover(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!leftover && errno == ENOENT) return;
  if (!leftover) failed("\"" + name + "\" is in the way");
  if (::flock(leftover.number(), LOCK_EX | LOCK_NB) != 0) failed("it is being written already, as \"" + name + "\"");
  if (names(name, leftover) && ::unlink(name.c_str()) != 0) failed("cannot remove \"" + name + "\"");
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.number(), bytes.data(), std::min(bytes.size(), largest_transfer));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) failed("cannot write to \"" + temporary_ + "\"");
    bytes = bytes.subspan(size_t(written));
  }
}

void AtomicFile::commit(KeepPrevious keep) {
  if (mode_ >= 0 && ::fchmod(file_.number(), mode_t(mode_)) != 0) failed("cannot set the permissions");
  // Once a flush has failed the system may have dropped the data; a second one that succeeds would mean nothing.
  if (::fsync(file_.number()) != 0) failed("cannot flush \"" + temporary_ + "\"");
  if (mode_ >= 0 && keep == KeepPrevious::yes) keep_previous();
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) failed("cannot rename \"" + temporary_ + "\"");
  temporary_.clear();
  if (::fsync(folder_.number()) != 0 && errno != EINVAL)  // EINVAL: a file system that knows no flushing of folders
    failed("the new file is in place, but its folder cannot be flushed");
}

// The old file gets its second name before the new one takes the first: there is never a moment without it.
void AtomicFile::keep_previous() const {
  const std::string previous = target_ + ".previous", second_name = previous + ".tmp";
  ::unlink(second_name.c_str());
  const bool linked = ::link(target_.c_str(), second_name.c_str()) == 0;
  const std::string& from = linked ? second_name : target_;  // not every file system has links
  if (::rename(from.c_str(), previous.c_str()) != 0) {
    const int error = errno;
    if (linked) ::unlink(second_name.c_str());
    errno = error;
    failed("cannot keep the previous version as \"" + previous + "\"");
  }
  if (linked) ::unlink(second_name.c_str());  // still there if both were names of the same file already
}

void write_file_atomically(const std::string& path, std::string_view bytes, KeepPrevious keep) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(bytes)));
  file.commit(keep);
}

}  // namespace fovea
