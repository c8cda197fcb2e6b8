// runner/read_back_check.hpp: asks sinks, now and then, for a few rows that they acknowledged a while ago.
//
// A server may answer "accepted" and drop a row all the same: out of retention, too many labels. Nothing else
// would notice. A row that is missing twice makes its job fail, until a later look finds all rows of the job.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <prometheus/counter.h>
#include <prometheus/family.h>

#include "runner/clocks.hpp"
#include "runner/ledger.hpp"
#include "runner/metrics.hpp"
#include "runner/pump.hpp"
#include "runner/store.hpp"
#include "sinks/sink.hpp"

namespace settle::runner {

struct ReadBackRow {
  std::string job_id;
  sinks::Row row;
};

class ReadBackCheck {
 public:
  /// Everything outlives the check.
  ReadBackCheck(const Store& store, Clocks& clocks, Metrics& metrics, std::string tenant);

  /// One look at one sink: at the suspects of the look before, and at a few rows acknowledged between one and
  /// ten minutes ago. Call it about once a minute; it samples when `sample` says so.
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
  struct Of {  // one sink
    std::deque<Cursors> past;
    std::vector<ReadBackRow> suspects;
    std::map<std::string, std::string> errors;  // by job
  };
  void draw(const std::string& name, const engine::Labels& external_labels, Lane lane,
            const LedgerPosition& from, const LedgerPosition& to, std::vector<ReadBackRow>& out);
  [[nodiscard]] bool is_dead(const std::string& name, const ReadBackRow& row) const;
  void count(const std::string& name, const char* outcome);
  std::uint64_t next_random();

  const Store& store_;
  Clocks& clocks_;
  std::string tenant_;
  prometheus::Family<prometheus::Counter>& rows_;  // settle_read_back_rows_total{sink,outcome}
  std::uint64_t random_ = 0x5eed;
  std::map<std::string, Of> sinks_;
};

}  // namespace settle::runner
