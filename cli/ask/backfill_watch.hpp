// cli/ask/backfill_watch.hpp: follows a backfill until it ends: a bar on a terminal, lines elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <iosfwd>
#include <string>

#include "cli/ask/backfill.hpp"
#include "cli/http_call.hpp"

namespace settle::cli {

/// What is left of the watch when the world is taken away.
struct WatchPorts {
  std::function<engine::Result<CallAnswer>()> ask;      // GET of the backfill
  std::function<bool(std::chrono::milliseconds)> wait;  // false: the user wants to stop
  std::size_t width = 0;                                // of the terminal; 0: none
};

inline constexpr std::chrono::milliseconds kWatchInterval{1'000};
/// Without a terminal, a line at least this often while buckets get done.
inline constexpr std::chrono::milliseconds kWatchLineEvery{10'000};
/// A daemon that restarts is waited for.
inline constexpr std::chrono::milliseconds kWatchPatience{30'000};

/// 0: done; 1: failed, cancelled, gone, or the daemon did not answer for kWatchPatience; 130: stopped by the
/// user.
[[nodiscard]] int watch(const WatchPorts& ports, std::ostream& out, std::ostream& err);
/// The same, of the real daemon, terminal and signals.
[[nodiscard]] int watch_daemon(const std::string& server, const std::string& job_id, const std::string& id,
                               std::ostream& out, std::ostream& err);

/// `running: 5 of 10 buckets (50 %), 12 samples, 3/s, 1m20s left, 2 errors: the last one`; what is not known
/// or zero is left out.
[[nodiscard]] std::string progress_line(const BackfillView& backfill);
/// A bar in front of it; never longer than `width` (>= 1).
[[nodiscard]] std::string progress_bar(const BackfillView& backfill, std::size_t width);

}  // namespace settle::cli
