// Writing files in one step: what is there after success, after every kind of failure, and after kill -9.
#include "tensor/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>
#include <vector>

#include "tensor/error.h"
#include "tests/messages.h"
#include "tests/temporary_folder.h"

using namespace fovea;

namespace {

std::string write_error(const std::string& path, std::string_view bytes = "new") {
  return message_of<FileError>([&] { write_file_atomically(path, bytes); });
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

// While it lives, no file may grow beyond so many bytes: how a full disk looks to a program.
struct FileSizeLimit {
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &old_limit);
    const rlimit limit{bytes, old_limit.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    old_handler = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit);
    std::signal(SIGXFSZ, old_handler);
  }
  rlimit old_limit{};
  void (*old_handler)(int);
};

// Root may do everything; to see a refusal, act as nobody.
struct Unprivileged {
  Unprivileged() : possible(::geteuid() != 0 || ::seteuid(65534) == 0) {}
  ~Unprivileged() {
    if (::getuid() == 0 && ::seteuid(0) != 0) std::abort();
  }
  bool possible;
};

}  // namespace

TEST_CASE("file: a new file, and the next version in its place") {
  const TemporaryFolder folder;
  const std::string path = folder / "a.txt";
  write_file_atomically(path, "first");
  CHECK(contents(path) == "first");
  const mode_t mask = ::umask(0);
  ::umask(mask);
  CHECK(mode_of(path) == (0666 & ~mask));
  ::chmod(path.c_str(), 0640);
  write_file_atomically(path, std::string_view("se\0cond", 7));
  CHECK(contents(path) == std::string("se\0cond", 7));
  CHECK(mode_of(path) == 0640);
  write_file_atomically(path, "");
  CHECK(contents(path).empty());
  CHECK(folder.count() == 1);
}

TEST_CASE("file: a bare name is written into the working folder") {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file_atomically("bare", "text");
  std::filesystem::current_path(before);
  CHECK(contents(folder / "bare") == "text");
}

TEST_CASE("file: the last two versions are kept where that is asked for") {
  const TemporaryFolder folder;
  const std::string path = folder / "a", previous = previous_version(path);
  CHECK(previous == path + ".previous");
  write_file_atomically(path, "1", KeepPrevious::yes);
  CHECK(folder.count() == 1);
  for (int version = 2; version < 5; ++version) {
    write_file_atomically(path, std::to_string(version), KeepPrevious::yes);
    CHECK(contents(path) == std::to_string(version));
    CHECK(contents(previous) == std::to_string(version - 1));
    CHECK(folder.count() == 2);
  }
  // As after a kill between the two renames: both names stand for one file, and a spare name is left over.
  std::filesystem::remove(previous);
  std::filesystem::create_hard_link(path, previous);
  std::filesystem::create_hard_link(path, previous + ".tmp");
  write_file_atomically(path, "5", KeepPrevious::yes);
  CHECK(contents(path) == "5");
  CHECK(contents(previous) == "4");
  CHECK(folder.count() == 2);
}

TEST_CASE("file: where the previous version cannot be kept, nothing changes") {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  write_file_atomically(path, "old");
  std::filesystem::create_directory(path + ".previous");
  const auto save = [&] { write_file_atomically(path, "new", KeepPrevious::yes); };
  CHECK(message_of<FileError>(save) ==
        "write \"" + path + "\": cannot keep the previous version as \"" + path + ".previous\": Is a directory");
  CHECK(contents(path) == "old");
  CHECK(folder.count() == 2);
}

TEST_CASE("file: folders are made with those above them; what is no folder is in the way") {
  const TemporaryFolder folder;
  make_folders(folder / "a/b//c/");
  CHECK(std::filesystem::is_directory(folder / "a/b/c"));
  make_folders(folder / "a/b");  // there already
  make_folders("/");
  CHECK(file_exists(folder / "a/b"));
  CHECK_FALSE(file_exists(folder / "a/x"));
  put(folder / "file", "");
  CHECK(file_exists(folder / "file"));
  for (const char* path : {"file", "file/below"})
    CHECK(message_of<FileError>([&] { make_folders(folder / path); }) ==
          folder / path + ": cannot make this folder: Not a directory");
  CHECK(contains(message_of<FileError>([] { make_folders("/proc/none/x"); }), "cannot make this folder"));
  CHECK(contains(message_of<FileError>([] { make_folders(""); }), "No such file or directory"));
}

TEST_CASE("file: a link stays, what it points to is replaced") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "real");
  put(folder / "real/file", "old");
  std::filesystem::create_symlink("real/file", folder / "near");     // relative
  std::filesystem::create_symlink(folder / "near", folder / "far");  // absolute, over another link
  write_file_atomically(folder / "far", "new");
  CHECK(std::filesystem::is_symlink(folder / "far"));
  CHECK(std::filesystem::is_symlink(folder / "near"));
  CHECK(contents(folder / "real/file") == "new");
  CHECK(previous_version(folder / "far") == folder / "real/file.previous");

  std::filesystem::create_symlink("real/later", folder / "dangling");
  write_file_atomically(folder / "dangling", "made");
  CHECK(contents(folder / "real/later") == "made");
  std::filesystem::create_symlink("circle", folder / "circle");
  CHECK(contains(write_error(folder / "circle"), "Too many levels of symbolic links"));
}

TEST_CASE("file: what cannot be written is refused with name and reason") {
  const TemporaryFolder folder;
  const std::string missing = folder / "missing/a";
  CHECK(write_error(missing) ==
        "write \"" + missing + "\": cannot open the folder \"" + folder / "missing" + "\": No such file or directory");
  put(folder / "plain", "text");
  CHECK(contains(write_error(folder / "plain/a"), "Not a directory"));
  CHECK(write_error(folder.path()) == "write \"" + folder.path() + "\": Is a directory");
  const std::string pipe = folder / "pipe";  // stands for every device: were it replaced, only the pipe would suffer
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(write_error(pipe) == "write \"" + pipe + "\": not a regular file");
  CHECK(contains(write_error(folder / std::string(252, 'x')), "File name too long"));
  CHECK(write_error("") != "");
  CHECK(contents(folder / "plain") == "text");
  CHECK(folder.count() == 2);
}

TEST_CASE("file: without permission nothing changes") {
  const TemporaryFolder folder;
  ::chmod(folder.path().c_str(), 0755);
  put(folder / "a", "old");
  ::chmod((folder / "a").c_str(), 0444);
  std::filesystem::create_directory(folder / "closed");
  ::chmod((folder / "closed").c_str(), 0555);
  std::string replaced, created, unreadable;
  put(folder / "secret", "x");
  ::chmod((folder / "secret").c_str(), 0000);
  {
    const Unprivileged nobody;
    if (!nobody.possible) {
      MESSAGE("skipped: cannot give up root here");
      return;
    }
    replaced = write_error(folder / "a");
    created = write_error(folder / "closed/a");
    unreadable = message_of<FileError>([&] { InputFile(folder / "secret"); });
  }
  CHECK(replaced == "write \"" + folder / "a" + "\": may not replace the file that is there: Permission denied");
  CHECK(created ==
        "write \"" + folder / "closed/a" + "\": cannot create \"" + folder / "closed/a.tmp" + "\": Permission denied");
  CHECK(unreadable == "read \"" + folder / "secret" + "\": Permission denied");
  CHECK(contents(folder / "a") == "old");
}

TEST_CASE("file: a full disk leaves the old file and no temporary") {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  write_file_atomically(path, "old");
  std::string error;
  {
    const FileSizeLimit limit(10'000);
    error = write_error(path, std::string(10'001, 'x'));  // one byte too many
    CHECK(write_error(folder / "b", std::string(100'000, 'x')) != "");
    CHECK(write_error(folder / "c", std::string(10'000, 'x')) == "");
  }
  CHECK(error == "write \"" + path + "\": cannot write to \"" + path + ".tmp\": File too large");
  CHECK(contents(path) == "old");
  CHECK(folder.count() == 2);
}

TEST_CASE("file: without a commit nothing changes") {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  write_file_atomically(path, "old");
  {
    AtomicFile file(path);
    file.write(std::as_bytes(std::span(std::string_view("half"))));
    CHECK(contents(path) == "old");
    CHECK(contents(path + ".tmp") == "half");
  }
  CHECK(contents(path) == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("file: two writers of one file; a leftover of a killed one") {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  {
    AtomicFile first(path);
    CHECK(write_error(path) == "write \"" + path + "\": it is being written already, as \"" + path +
                                   ".tmp\": Resource temporarily unavailable");
    first.write(std::as_bytes(std::span(std::string_view("first"))));
    first.commit();
  }
  CHECK(contents(path) == "first");
  put(path + ".tmp", "a leftover that is longer than the new text");
  write_file_atomically(path, "new");
  CHECK(contents(path) == "new");
  CHECK(folder.count() == 1);

  // A link in the place of the temporary is not followed.
  put(folder / "victim", "unharmed");
  std::filesystem::create_symlink("victim", path + ".tmp");
  CHECK(contains(write_error(path), "is in the way"));
  CHECK(contents(folder / "victim") == "unharmed");
  CHECK(contents(path) == "new");
}

TEST_CASE("file: many threads write one file: each succeeds whole or is told why not") {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  std::vector<std::thread> writers;
  std::vector<std::string> unexpected(4);
  for (size_t w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 50; ++i) {
        const std::string error = write_error(path, std::string(20'000, char('a' + w)));
        if (!error.empty() && !contains(error, "being written already")) unexpected[w] = error;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  for (const std::string& error : unexpected) CHECK(error == "");
  const std::string text = contents(path);
  CHECK(text == std::string(20'000, text.at(0)));
  CHECK(folder.count() == 1);
}

TEST_CASE("file: kill -9 at any moment leaves a whole file") {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  const std::string versions[2] = {std::string(300'000, 'x'), std::string(200'000, 'y')};
  write_file_atomically(path, versions[0]);
  for (int round = 0; round < 30; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int i = 0;; ++i) write_file_atomically(path, versions[i % 2], KeepPrevious::yes);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500 + round * 371));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (const std::string& name : {path, previous_version(path)}) {
      if (name != path && !std::filesystem::exists(name)) continue;
      const std::string text = contents(name);
      CHECK((text == versions[0] || text == versions[1]));
    }
  }
  write_file_atomically(path, "end", KeepPrevious::yes);
  CHECK(folder.count() == 2);  // nothing is left over
}

TEST_CASE("file: reading") {
  const TemporaryFolder folder;
  const std::string path = folder / "a";
  put(path, "0123456789");
  const InputFile file(path);
  CHECK(file.size() == 10);
  char text[4] = {};
  file.read(3, std::as_writable_bytes(std::span(text)));
  CHECK(std::string_view(text, 4) == "3456");
  const auto beyond = [&] { file.read(8, std::as_writable_bytes(std::span(text))); };
  CHECK(message_of<FileError>(beyond) == "read \"" + path + "\": the file ends at byte 10, more was expected");

  const auto open_error = [](const std::string& name) { return message_of<FileError>([&] { InputFile{name}; }); };
  CHECK(open_error(folder / "no") == "read \"" + folder / "no" + "\": No such file or directory");
  CHECK(open_error(folder.path()) == "read \"" + folder.path() + "\": Is a directory");
  CHECK(open_error("/dev/zero") == "read \"/dev/zero\": not a regular file");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(contains(open_error(folder / "pipe"), "not a regular file"));  // and does not wait for a writer
}
