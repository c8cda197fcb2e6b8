// runner/verify/read_back_check.hpp: asks sinks, now and then, for a few rows that they acknowledged a while
// ago.
//
// A server may answer "accepted" and drop a row all the same: out of retention, too many labels. Nothing else
// would notice. A row that is missing twice is said once: its job fails until a later look finds rows of the
// job and misses none; the count stays in the metric.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <prometheus/counter.h>
#include <prometheus/family.h>

#include "runner/clocks.hpp"
#include "runner/metrics.hpp"
#include "runner/push/pump.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/store.hpp"
#include "sinks/sink.hpp"

namespace settle::runner {

struct ReadBackRow {
  std::string job_id;
  sinks::Row row;
  engine::Time missed_at{};  // wall time of the first look that missed it
};

class ReadBackCheck {
 public:
  struct Parts {  // everything outlives the check
    const Store& store;
    Clocks& clocks;
    boost::asio::thread_pool& pool;
    Metrics& metrics;
    std::string tenant;
    std::function<bool(const std::string& job_id)> has_job;
  };
  explicit ReadBackCheck(Parts parts);

  /// One look at one sink: at the suspects of the look before, and at a few rows acknowledged between one and
  /// ten minutes ago, also of each job that fails. Call it about once a minute; it samples when `sample` says
  /// so.
  boost::asio::awaitable<void> look(const std::string& name, sinks::Sink& sink, const Pump& pump,
                                    const engine::Labels& external_labels, bool sample);
  /// "" : no row of the job is known to be missing.
  [[nodiscard]] std::string error_of(const std::string& job_id) const;

 private:
  struct Cursors {
    engine::Time at;  // wall time
    LedgerPosition live;
    LedgerPosition backfill;
  };
  /// job, series, timestamp
  using RowKey = std::tuple<std::string, std::string, engine::Time>;
  struct Of {  // one sink
    std::deque<Cursors> past;
    std::vector<ReadBackRow> suspects;                 // missing once; by age
    std::deque<std::pair<engine::Time, RowKey>> said;  // so that a row is said once
    std::map<std::string, std::string> errors;         // by job
  };
  struct Range {
    const std::string& sink;
    const engine::Labels& external_labels;
    Lane lane;
    const LedgerPosition& from;
    const LedgerPosition& to;
  };
  struct Dead {  // what one piece of the dead letters holds
    std::set<RowKey> found;
    std::string next;  // key; "" : that was all
  };
  [[nodiscard]] static RowKey key_of_row(const ReadBackRow& row);
  [[nodiscard]] static bool was_said(const Of& of, const ReadBackRow& row);
  void forget(Of& of, engine::Time now) const;
  void draw(const Of& of, const Range& range, std::vector<ReadBackRow>& out);
  void draw_of(const std::string& job_id, const Of& of, const Range& range, std::vector<ReadBackRow>& out);
  [[nodiscard]] bool take(const ReadTransaction& read, const Of& of, const Range& range, std::string_view key,
                          std::string_view value, std::vector<ReadBackRow>& out);
  [[nodiscard]] static Dead look_up(const Store& store, const std::string& from, const std::string& to,
                                    const std::set<RowKey>& wanted);
  boost::asio::awaitable<std::set<RowKey>> find_dead(std::string name, std::set<RowKey> wanted);
  void conclude(const std::string& name, Of& of, std::vector<ReadBackRow> missing,
                const std::set<RowKey>& dead, std::set<std::string> found_jobs);
  void count(const std::string& name, const char* outcome);
  std::uint64_t next_random();

  Parts parts_;
  prometheus::Family<prometheus::Counter>& rows_;  // settle_read_back_rows_total{sink,outcome}
  std::uint64_t random_ = 0x5eed;
  std::map<std::string, Of> sinks_;
};

}  // namespace settle::runner
