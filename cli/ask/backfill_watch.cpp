#include "cli/ask/backfill_watch.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <ostream>
#include <sys/ioctl.h>
#include <utility>

#include <signal.h>
#include <unistd.h>

#include "cli/ask/daemon_call.hpp"
#include "engine/model/time.hpp"
#include "net/http_client.hpp"

namespace settle::cli {
namespace {

constexpr std::size_t kBarCells = 24;
constexpr int kStoppedByUser = 130;  // 128 + SIGINT, as shells say it

bool is_over(const std::string& state) {
  return state == "done" || state == "failed" || state == "cancelled";
}

std::uint64_t percent(const BackfillView& backfill) {
  if (backfill.total == 0) return is_over(backfill.state) ? 100 : 0;
  const double share = static_cast<double>(backfill.done) / static_cast<double>(backfill.total);
  return static_cast<std::uint64_t>(std::min(share, 1.0) * 100);
}

std::string rate_text(double per_second) {
  std::array<char, 32> digits{};
  const auto format = std::chars_format::fixed;
  const int precision = per_second < 10 ? 1 : 0;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), std::min(per_second, 1e15),
                                 format, precision);
  return std::string(digits.data(), end.ptr) + "/s";
}

std::string details(const BackfillView& backfill) {
  std::string text = std::to_string(backfill.done) + " of " + std::to_string(backfill.total) + " buckets (" +
                     std::to_string(percent(backfill)) + " %";
  if (backfill.impossible > 0) text += ", " + std::to_string(backfill.impossible) + " impossible";
  text += "), " + std::to_string(backfill.samples) + " samples";
  if (backfill.held_back > 0) text += ", " + std::to_string(backfill.held_back) + " held back";
  if (!is_over(backfill.state)) {
    if (backfill.samples_per_second) text += ", " + rate_text(*backfill.samples_per_second);
    if (backfill.eta_seconds) {
      const std::chrono::seconds left{std::min<std::uint64_t>(*backfill.eta_seconds, 1u << 31)};
      text += ", " + engine::format_duration(left) + " left";
    }
  }
  if (backfill.errors > 0) {
    text += ", " + std::to_string(backfill.errors) + (backfill.errors == 1 ? " error" : " errors");
  }
  if (!backfill.last_error.empty()) text += ": " + backfill.last_error;
  return text;
}

/// What makes a new line worth its place at once.
std::string headline(const BackfillView& backfill) {
  return backfill.state + "\n" + backfill.last_error;
}

/// SIGINT and SIGTERM wait until they are asked for, so that none comes between two lines.
class HeldSignals {
 public:
  HeldSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  ~HeldSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  /// False when one came before the time was over.
  [[nodiscard]] bool wait(std::chrono::milliseconds time) const {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const timespec limit{.tv_sec = seconds.count(),
                         .tv_nsec = std::chrono::nanoseconds(time - seconds).count()};
    return sigtimedwait(&signals_, nullptr, &limit) < 0;
  }

 private:
  sigset_t signals_{};
  sigset_t before_{};
};

std::size_t terminal_width() {
  if (isatty(STDOUT_FILENO) == 0) return 0;
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

/// Puts lines where they belong: over the one before on a terminal, below it elsewhere.
class Screen {
 public:
  Screen(std::ostream& out, std::size_t width) : out_(out), width_(width) {}

  void show(const BackfillView& backfill) {
    if (width_ > 0) {
      overwrite(progress_bar(backfill, width_ - 1));
      return;
    }
    const bool due = since_line_ >= kWatchLineEvery && backfill.done != done_;
    if (headline(backfill) == headline_ && !due) return;
    headline_ = headline(backfill);
    done_ = backfill.done;
    since_line_ = {};
    out_ << progress_line(backfill) << std::endl;
  }
  /// What the last answer did not say.
  void note(const std::string& text) {
    if (width_ > 0) {
      overwrite(text.substr(0, width_ - 1));
    } else if (text != headline_) {
      headline_ = text;
      out_ << text << std::endl;
    }
  }
  void waited(std::chrono::milliseconds time) { since_line_ += time; }
  /// Leaves the terminal's line; the last one stays.
  void end() {
    if (width_ > 0) out_ << std::endl;
  }

 private:
  void overwrite(const std::string& line) { out_ << '\r' << line << "\x1b[K" << std::flush; }

  std::ostream& out_;
  std::size_t width_;
  std::string headline_;
  std::uint64_t done_ = 0;
  std::chrono::milliseconds since_line_{};
};

}  // namespace

std::string progress_line(const BackfillView& backfill) {
  return backfill.state + ": " + details(backfill);
}

std::string progress_bar(const BackfillView& backfill, std::size_t width) {
  const std::size_t full = percent(backfill) * kBarCells / 100;
  std::string line = "[" + std::string(full, '#') + std::string(kBarCells - full, '.') + "] ";
  line += progress_line(backfill);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
  return line.substr(0, width);
}

int watch(const WatchPorts& ports, std::ostream& out, std::ostream& err) {
  Screen screen(out, ports.width);
  std::chrono::milliseconds silent{};
  for (;;) {
    const auto answer = ports.ask();
    const bool wait_for_it = !answer && answer.error().kind == engine::ErrorKind::retry_later;
    if (!answer && (!wait_for_it || silent >= kWatchPatience)) {
      screen.end();
      err << "settle backfill: " << answer.error().detail << '\n';
      return 1;
    }
    if (answer) {
      silent = {};
      const auto backfill = read_backfill(answer->body);
      if (!backfill) {
        screen.end();
        err << "settle backfill: " << backfill.error().detail << '\n';
        return 1;
      }
      screen.show(*backfill);
      if (is_over(backfill->state)) {
        screen.end();
        return backfill->state == "done" ? 0 : 1;
      }
    } else {
      silent += kWatchInterval;
      screen.note(answer.error().detail + "; asking again");
    }
    if (!ports.wait(kWatchInterval)) {
      screen.end();
      err << "settle backfill: you stopped looking; the backfill goes on in the daemon\n";
      return kStoppedByUser;
    }
    screen.waited(kWatchInterval);
  }
}

int watch_daemon(const std::string& server, const std::string& job_id, const std::string& id,
                 std::ostream& out, std::ostream& err) {
  Call call;
  call.url = server;
  call.path = std::string(kJobsPath) + "/" + net::url_encode(job_id) + "/backfills/" + net::url_encode(id);
  const HeldSignals signals;
  WatchPorts ports;
  ports.ask = [&call] { return ask_daemon(call); };
  ports.wait = [&signals](std::chrono::milliseconds time) { return signals.wait(time); };
  ports.width = terminal_width();
  return watch(ports, out, err);
}

}  // namespace settle::cli
