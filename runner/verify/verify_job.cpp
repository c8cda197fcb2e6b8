// Service::verify: reads the ledgers and asks the sinks; the comparison itself is runner/verify/verify.hpp.
#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runner/runner_impl.hpp"
#include "runner/store/dead_letter.hpp"
#include "runner/store/emitted_reader.hpp"
#include "runner/store/keys.hpp"
#include "runner/verify/verify.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Time;
using Kind = Mismatch::Kind;

namespace {

constexpr std::size_t kRowsMax = 1'000'000;  // of one job and sink; about 100 bytes each
constexpr std::size_t kSeriesPerAsk = 100;
constexpr std::size_t kRowsPerAsk = 10'000;
constexpr std::size_t kLettersPerRead = 5'000;

using Place = std::pair<std::string, Time>;

Refusal refusal(Refusal::Kind kind, std::string detail) {
  return {.kind = kind, .field = {}, .detail = std::move(detail), .job_id = {}};
}

/// The comparison of one job with one sink, step by step; between the steps other work runs.
class SinkVerification {
 public:
  SinkVerification(const Store& store, SinkPart& part, EmittedOrder order, VerifyOrder verify)
      : store_(store),
        part_(part),
        order_(std::move(order)),
        verify_(std::move(verify)),
        reader_(store, order_) {}

  /// What is wrong, judged; `refused` when it cannot be told.
  asio::awaitable<engine::Result<Verified>> run();

 private:
  asio::awaitable<engine::Result<void>> read_rows();
  asio::awaitable<engine::Result<void>> leave_out_dead();
  asio::awaitable<engine::Result<void>> compare();
  asio::awaitable<engine::Result<void>> leave_out_new();
  asio::awaitable<void> leave_out_near();
  asio::awaitable<engine::Result<void>> leave_out_of_others();
  [[nodiscard]] bool went_back() const;

  const Store& store_;
  SinkPart& part_;
  EmittedOrder order_;
  VerifyOrder verify_;
  EmittedReader reader_;
  std::vector<EmittedRow> rows_;
  Verified found_;
};

asio::awaitable<void> let_others_work() {
  co_await asio::post(asio::use_awaitable);
}

asio::awaitable<engine::Result<void>> SinkVerification::read_rows() {
  for (bool more = true; more;) {
    const engine::Result<bool> read = reader_.read_some(rows_);
    if (!read) co_return read.error();
    if (rows_.size() > kRowsMax) {
      co_return engine::refused("over " + std::to_string(kRowsMax) + " samples of sink " + order_.sink +
                                " are in the range: ask for a shorter one");
    }
    more = *read;
    co_await let_others_work();
  }
  co_return engine::Result<void>{};
}

/// What the sink will never take is counted, and not compared: it was not acknowledged, though the cursor has
/// passed it.
asio::awaitable<engine::Result<void>> SinkVerification::leave_out_dead() {
  std::set<std::pair<Place, std::uint32_t>> dead;
  const std::string prefix = key_of(order_.tenant, order_.sink);
  std::string from = prefix;
  while (!from.empty()) {
    std::size_t letters = 0;
    std::string last;
    store_.read().scan(Table::dead_letters, from, prefix_end(prefix),
                       [&](std::string_view key, std::string_view value) {
                         const engine::Result<DeadLetter> letter = decode_dead_letter(value);
                         if (letter && letter->job_id == order_.job_id) {
                           dead.insert({{letter->series, letter->timestamp}, letter->revision});
                         }
                         last = key;
                         return ++letters < kLettersPerRead;
                       });
    from = letters < kLettersPerRead ? std::string{} : last + '\0';
    co_await let_others_work();
  }
  if (dead.empty()) co_return engine::Result<void>{};
  const auto is_dead = [&dead](const EmittedRow& row) {
    return dead.contains({{std::string{row.series}, row.timestamp}, row.revision});
  };
  std::map<Place, std::pair<std::uint32_t, bool>> newest;  // revision, and whether it is dead
  for (const EmittedRow& row : rows_) {
    const bool refused = is_dead(row);
    auto& known = newest[{std::string{row.series}, row.timestamp}];
    if (row.revision >= known.first) known = {row.revision, refused};
  }
  for (const auto& [place, known] : newest) found_.refused += known.second ? 1 : 0;
  std::erase_if(rows_, is_dead);
  co_return engine::Result<void>{};
}

asio::awaitable<engine::Result<void>> SinkVerification::compare() {
  std::map<std::string, std::vector<EmittedRow>, std::less<>> by_series;
  for (const std::string& series : reader_.series()) by_series[series];
  for (EmittedRow& row : rows_) by_series.find(row.series.view())->second.push_back(std::move(row));
  rows_.clear();
  for (auto at = by_series.begin(); at != by_series.end();) {
    std::vector<std::string> series;
    std::vector<EmittedRow> rows;
    for (; at != by_series.end() && series.size() < kSeriesPerAsk && rows.size() < kRowsPerAsk; ++at) {
      series.push_back(at->first);
      std::move(at->second.begin(), at->second.end(), std::back_inserter(rows));
    }
    const engine::TimeRange range = order_.timestamps;
    engine::Result<std::vector<sinks::StoredSample>> stored =
        co_await part_.sink->stored(std::move(series), range);
    if (!stored) co_return stored.error();
    Verified part = verify_rows(verify_, std::move(rows), std::move(*stored));
    found_.compared += part.compared;
    found_.waiting += part.waiting;
    std::move(part.mismatches.begin(), part.mismatches.end(), std::back_inserter(found_.mismatches));
  }
  co_return engine::Result<void>{};
}

/// What was emitted while we asked explains what we did not expect: there, nothing is said.
asio::awaitable<engine::Result<void>> SinkVerification::leave_out_new() {
  std::vector<EmittedRow> later;
  for (bool more = true; more;) {
    const engine::Result<bool> read = reader_.read_some(later);
    if (!read) co_return read.error();
    more = *read;
    co_await let_others_work();
  }
  std::set<Place> touched;
  for (const EmittedRow& row : later) touched.insert({std::string{row.series}, row.timestamp});
  const std::size_t before = found_.mismatches.size();
  std::erase_if(found_.mismatches, [&touched](const Mismatch& one) {
    return touched.contains({one.series, one.timestamp});
  });
  found_.waiting += before - found_.mismatches.size();
  co_return engine::Result<void>{};
}

/// The sink knows best how exactly it keeps what it is sent.
asio::awaitable<void> SinkVerification::leave_out_near() {
  std::vector<sinks::Row> asked;
  std::set<Place> near;
  for (const Mismatch& one : found_.mismatches) {
    if (one.kind != Kind::different) continue;
    sinks::Row row;
    row.series = one.series;
    row.timestamp = one.timestamp;
    row.value = *one.acknowledged;
    asked.push_back(std::move(row));
  }
  for (std::size_t at = 0; at < asked.size(); at += kRowsPerAsk) {
    const auto begin = asked.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = asked.begin() + static_cast<std::ptrdiff_t>(std::min(at + kRowsPerAsk, asked.size()));
    std::vector<sinks::Row> rows{begin, end};
    const engine::Result<std::vector<bool>> held = co_await part_.sink->holds(std::move(rows));
    if (!held) co_return;
    for (std::size_t i = 0; i < held->size(); ++i) {
      if ((*held)[i]) near.insert({std::string{asked[at + i].series}, asked[at + i].timestamp});
    }
  }
  std::erase_if(found_.mismatches, [&near](const Mismatch& one) {
    return one.kind == Kind::different && near.contains({one.series, one.timestamp});
  });
}

/// A former job may have sent samples under the same output series.
asio::awaitable<engine::Result<void>> SinkVerification::leave_out_of_others() {
  std::map<Place, std::vector<engine::Value>> sent;
  for (const Mismatch& one : found_.mismatches) {
    if (one.kind == Kind::extra) sent[{one.series, one.timestamp}];
  }
  if (sent.empty()) co_return engine::Result<void>{};
  EmittedOrder of_all = order_;
  of_all.except_job = std::exchange(of_all.job_id, std::string{});
  EmittedReader reader{store_, std::move(of_all)};
  const auto wanted = [&sent](const EmittedRow& row) {
    return sent.contains({std::string{row.series}, row.timestamp});
  };
  for (bool more = true; more;) {
    std::vector<EmittedRow> rows;
    const engine::Result<bool> read = reader.read_some(rows, wanted);
    if (!read) co_return read.error();
    for (const EmittedRow& row : rows) sent[{std::string{row.series}, row.timestamp}].push_back(row.value);
    more = *read;
    co_await let_others_work();
  }
  std::erase_if(found_.mismatches, [&sent, this](Mismatch& one) {
    if (one.kind != Kind::extra) return false;
    const std::vector<engine::Value>& known = sent[{one.series, one.timestamp}];
    const bool twice = verify_.keeps_duplicates && one.stored.size() > 1;
    std::erase_if(one.stored, [&known, twice](const engine::Value& value) {
      return !twice && std::any_of(known.begin(), known.end(), [&value](const engine::Value& value_sent) {
        return is_kept_as(value_sent, value);
      });
    });
    return one.stored.empty();
  });
  co_return engine::Result<void>{};
}

/// The server restarted meanwhile, and rows that were acknowledged are sent again.
bool SinkVerification::went_back() const {
  return part_.pump->next(Lane::live) < order_.acknowledged_before[0] ||
         part_.pump->next(Lane::backfill) < order_.acknowledged_before[1];
}

asio::awaitable<engine::Result<Verified>> SinkVerification::run() {
  engine::Result<void> done = co_await read_rows();
  if (done) done = co_await leave_out_dead();
  if (done) done = co_await compare();
  if (done && !found_.mismatches.empty()) done = co_await leave_out_new();
  if (!done) co_return done.error();
  if (went_back()) {
    co_return engine::retry_later("the server of sink " + order_.sink +
                                  " restarted, and what it may have lost is being sent again: ask later");
  }
  co_await leave_out_near();
  done = co_await leave_out_of_others();
  if (!done) co_return done.error();
  co_return std::move(found_);
}

void add_to(VerifyReport& report, Verified found, std::size_t limit) {
  report.compared += found.compared;
  report.waiting += found.waiting;
  report.refused += found.refused;
  for (Mismatch& one : found.mismatches) {
    report.missing += one.kind == Kind::missing ? 1 : 0;
    report.different += one.kind == Kind::different ? 1 : 0;
    report.extra += one.kind == Kind::extra ? 1 : 0;
    if (report.mismatches.size() < limit) report.mismatches.push_back(std::move(one));
  }
}

sinks::Capabilities capabilities_of(const SinkPart& part) {
  const PumpStatus status = part.pump->status();
  return status.health && status.health->reachable ? status.health->capabilities : part.sink->capabilities();
}

}  // namespace

asio::awaitable<Outcome<VerifyReport>> Runner::Impl::verify(std::string of_tenant, std::string job_id,
                                                            engine::TimeRange timestamps, std::size_t limit) {
  const Job* job = registry.find(of_tenant, job_id);
  if (job == nullptr) co_return refusal(Refusal::Kind::not_found, "no job " + job_id);
  std::vector<std::string> names = job->spec.sinks;
  std::sort(names.begin(), names.end());
  VerifyReport report;
  report.timestamps = timestamps;
  // Where the ledger has been cut, it says of old timestamps only what was emitted of late.
  const bool was_cut = sequence_reached(store.read(), clocks.wall_now() - options.keep_ledger) > 0;
  const Time extra_from = was_cut ? clocks.source_now() - options.keep_ledger : Time::min();
  for (const std::string& name : names) {
    const auto found = sinks.find(name);
    if (found == sinks.end() || !capabilities_of(found->second).can_read_back) {
      report.sinks_without_read_back.push_back(name);
      continue;
    }
    SinkPart& part = found->second;
    EmittedOrder order;
    order.tenant = of_tenant;
    order.job_id = job_id;
    order.sink = name;
    order.external_labels = part.external_labels;
    order.timestamps = timestamps;
    // Before the ledger is read: what is acknowledged by then is, whatever comes meanwhile.
    order.acknowledged_before = {part.pump->next(Lane::live), part.pump->next(Lane::backfill)};
    VerifyOrder verify;
    verify.sink = name;
    verify.extra_from = extra_from;
    verify.keeps_duplicates = capabilities_of(part).overwrite == sinks::Overwrite::none;
    SinkVerification verification{store, part, std::move(order), std::move(verify)};
    engine::Result<Verified> verified = co_await verification.run();
    if (!verified) {
      const bool too_many = verified.error().kind == engine::ErrorKind::refused;
      co_return refusal(too_many ? Refusal::Kind::invalid : Refusal::Kind::unavailable,
                        verified.error().detail);
    }
    add_to(report, std::move(*verified), limit);
  }
  co_return report;
}

}  // namespace settle::runner
