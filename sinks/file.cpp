#include "sinks/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <unistd.h>

#include "sinks/file_lines.hpp"
#include "sinks/series_json.hpp"

namespace settle::sinks {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kBatchRowsMax = 10'000;
constexpr std::size_t kReadBytes = 1u << 20;

std::string errno_text() {
  return std::generic_category().message(errno);
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// False when fewer bytes could be read.
bool read_at(int fd, off_t offset, std::string& into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t read =
        ::pread(fd, into.data() + done, into.size() - done, offset + static_cast<off_t>(done));
    if (read < 0 && errno == EINTR) continue;
    if (read <= 0) return false;
    done += static_cast<std::size_t>(read);
  }
  return true;
}

off_t size_of(int fd) {
  struct stat stat {};
  return ::fstat(fd, &stat) == 0 ? stat.st_size : -1;
}

struct Descriptor {
  explicit Descriptor(int of) : fd(of) {}
  ~Descriptor() { ::close(fd); }
  Descriptor(const Descriptor&) = delete;
  int fd;
};

/// The end of the file, from the start of a line, with at least `lines` lines unless the file has fewer.
engine::Result<std::string> read_last_lines(int fd, const std::string& path, std::size_t lines) {
  std::string tail;
  off_t at = size_of(fd);
  while (at > 0 && static_cast<std::size_t>(std::count(tail.begin(), tail.end(), '\n')) <= lines) {
    std::string piece(std::min<std::size_t>(kReadBytes, static_cast<std::size_t>(at)), '\0');
    at -= static_cast<off_t>(piece.size());
    if (!read_at(fd, at, piece)) return engine::retry_later("cannot read " + path + ": " + errno_text());
    tail.insert(0, piece);
  }
  return at > 0 ? tail.substr(tail.find('\n') + 1) : tail;
}

}  // namespace

FileSink::FileSink(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

FileSink::~FileSink() {
  ::close(fd_);
}

engine::Result<std::unique_ptr<FileSink>> FileSink::open(std::string path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return engine::refused("cannot open the sink file " + path + " for appending: " + errno_text());
  }
  std::unique_ptr<FileSink> sink{new FileSink(std::move(path), fd)};
  struct stat stat {};
  if (::fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
    return engine::refused("the sink file " + sink->path_ +
                           " is not a regular file: what was written to it could not be looked up again");
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return engine::refused("the sink file " + sink->path_ +
                           " is held by another process: one writer per file");
  }
  if (auto cut = sink->cut_torn_line(); !cut) return cut.error();
  return sink;
}

engine::Result<void> FileSink::follow_path() {
  struct stat here {};
  struct stat there {};
  const bool same = ::fstat(fd_, &here) == 0 && ::stat(path_.c_str(), &there) == 0 &&
                    here.st_dev == there.st_dev && here.st_ino == there.st_ino;
  if (same) return {};
  auto fresh = open(path_);
  if (!fresh) return fresh.error();
  std::swap(fd_, (*fresh)->fd_);
  return {};
}

engine::Result<void> FileSink::cut_torn_line() {
  off_t end = size_of(fd_);
  const off_t size = end;
  while (end > 0) {
    std::string piece(std::min<std::size_t>(kReadBytes, static_cast<std::size_t>(end)), '\0');
    if (!read_at(fd_, end - static_cast<off_t>(piece.size()), piece)) {
      return engine::retry_later("cannot read the sink file " + path_ + ": " + errno_text());
    }
    const std::size_t newline = piece.rfind('\n');
    if (newline != std::string::npos) {
      end -= static_cast<off_t>(piece.size() - newline - 1);
      break;
    }
    end -= static_cast<off_t>(piece.size());
  }
  if (end < size && ::ftruncate(fd_, end) != 0) {
    return engine::retry_later("cannot cut the torn last line of " + path_ + ": " + errno_text());
  }
  return {};
}

Capabilities FileSink::capabilities() const {
  return {.overwrite = Overwrite::append_log,
          .out_of_order_window = std::nullopt,
          .batch_rows_max = kBatchRowsMax,
          .can_read_back = true};
}

asio::awaitable<SinkHealth> FileSink::check() {
  SinkHealth health;
  const engine::Result<void> there = follow_path();
  health.reachable = static_cast<bool>(there);
  health.server = there ? "file " + path_ : there.error().detail;
  health.meaning =
      "Every revision is appended as a line of its own, so corrections are kept beside what they correct.";
  health.capabilities = capabilities();
  co_return health;
}

std::optional<std::string> FileSink::refuse(const Row& row, engine::Time) const {
  if (!row.value.is_finite())
    return "the value is " + engine::format_value(row.value) + ", which JSON cannot say";
  std::string ignored;
  if (!append_series_json(ignored, row.series)) return "the series is not in canonical form";
  return std::nullopt;
}

asio::awaitable<PushOutcome> FileSink::push(std::vector<Row> rows) {
  PushOutcome outcome;
  if (const engine::Result<void> there = follow_path(); !there) {
    outcome.verdict = PushVerdict::retry;
    outcome.detail = there.error().detail;
    co_return outcome;
  }
  std::string lines;
  for (const Row& row : rows) lines += encode_line(row);
  const off_t before = size_of(fd_);
  if (before < 0 || !write_all(fd_, lines) || ::fdatasync(fd_) != 0) {
    outcome.detail = "cannot append to " + path_ + ": " + errno_text() + "; free space or fix the disk";
    // What is cut off again was never there; what cannot be cut may be.
    const bool undone = before >= 0 && ::ftruncate(fd_, before) == 0;
    outcome.verdict = undone ? PushVerdict::retry : PushVerdict::uncertain;
  }
  co_return outcome;
}

asio::awaitable<engine::Result<std::vector<bool>>> FileSink::holds(std::vector<Row> rows) {
  engine::Result<std::string> tail = read_last_lines(fd_, path_, std::max(kBatchRowsMax, rows.size()));
  if (!tail) co_return tail.error();
  std::set<std::string_view> lines;
  for (std::string_view rest = *tail; !rest.empty();) {
    const std::size_t length = std::min(rest.find('\n'), rest.size() - 1) + 1;
    lines.insert(rest.substr(0, length));
    rest.remove_prefix(length);
  }
  std::vector<bool> held;
  held.reserve(rows.size());
  for (const Row& row : rows) held.push_back(lines.contains(encode_line(row)));
  co_return held;
}

asio::awaitable<engine::Result<std::vector<StoredSample>>> FileSink::stored(std::vector<std::string> series,
                                                                            engine::TimeRange timestamps) {
  const auto executor = co_await asio::this_coro::executor;
  LineReader reader(series, timestamps);
  // Of its own: the sink may go on in another file meanwhile.
  const Descriptor file{::fcntl(fd_, F_DUPFD_CLOEXEC, 0)};
  const off_t end = size_of(file.fd);
  std::string rest;
  for (off_t at = 0; at < end;) {
    std::string piece(std::min<std::size_t>(kReadBytes, static_cast<std::size_t>(end - at)), '\0');
    if (!read_at(file.fd, at, piece))
      co_return engine::retry_later("cannot read " + path_ + ": " + errno_text());
    at += static_cast<off_t>(piece.size());
    rest += piece;
    const std::size_t whole = rest.rfind('\n') + 1;
    reader.read(std::string_view{rest}.substr(0, whole));
    rest.erase(0, whole);
    co_await asio::post(executor, asio::use_awaitable);
  }
  if (end < 0) co_return engine::retry_later("cannot read " + path_ + ": " + errno_text());
  co_return reader.take();
}

}  // namespace settle::sinks
