#include "tests/support/histories.hpp"

#include <ostream>
#include <sstream>

#include <rapidcheck.h>

namespace settle::test {

namespace {

constexpr std::size_t kPollsMax = 60;
constexpr std::string_view kCorrections[] = {" repush", " hold", " ledger"};

std::string_view name_of(HistoryStep::Kind kind) {
  switch (kind) {
    case HistoryStep::Kind::ingest:
      return "ingest";
    case HistoryStep::Kind::expire:
      return "expire";
    case HistoryStep::Kind::flush:
      return "flush";
    case HistoryStep::Kind::release:
      return "release";
    case HistoryStep::Kind::carry:
      return "carry";
    case HistoryStep::Kind::recheck:
      return "recheck";
    case HistoryStep::Kind::save:
      return "save";
    case HistoryStep::Kind::renew:
      return "renew";
    case HistoryStep::Kind::reload:
      return "reload";
  }
  return "";
}

void describe_options(std::ostream& out, const engine::EngineOptions& o) {
  out << "g=" << engine::format_duration(o.granularity) << ' ' << engine::format_finality(o.finality)
      << " watch=" << engine::format_duration(o.watch) << " ttl=" << engine::format_duration(o.ttl)
      << " absent=" << (o.absent == engine::Absent::zero ? "zero" : "none") << " for "
      << engine::format_duration(o.absent_for)
      << (o.output == engine::Output::counter ? " counter" : " gauge")
      << kCorrections[static_cast<std::size_t>(o.corrections)] << (o.rising_only ? " rising only" : "")
      << (o.in_order ? " in order" : "") << " liveness=" << static_cast<int>(o.liveness)
      << " series_max=" << o.series_max << " open_cells_max=" << o.open_cells_max
      << " idle=" << engine::format_duration(o.series_idle) << '\n';
}

/// First without runs of steps, then without runs of rows of one part.
rc::Seq<History> smaller_than(const History& history) {
  auto fewer_steps =
      rc::seq::map(rc::shrink::removeChunks(history.steps), [=](std::vector<HistoryStep> steps) {
        return History{.options = history.options, .live_from = history.live_from, .steps = std::move(steps)};
      });
  auto result = rc::Seq<History>{std::move(fewer_steps)};
  for (std::size_t step = 0; step < history.steps.size(); ++step) {
    for (std::size_t part = 0; part < history.steps[step].parts.size(); ++part) {
      auto fewer_rows = rc::seq::map(rc::shrink::removeChunks(history.steps[step].parts[part].rows),
                                     [=](std::vector<HistoryRow> rows) {
                                       History copy = history;
                                       copy.steps[step].parts[part].rows = std::move(rows);
                                       return copy;
                                     });
      result = rc::seq::concat(std::move(result), rc::Seq<History>{std::move(fewer_rows)});
    }
  }
  return result;
}

}  // namespace

/// How RapidCheck prints a counterexample.
static std::ostream& operator<<(std::ostream& out, const History& history) {
  return out << describe(history);
}

std::string describe(const History& history) {
  std::ostringstream out;
  describe_options(out, history.options);
  out << "live_from " << engine::format_time(history.live_from) << '\n';
  for (const HistoryStep& step : history.steps) {
    out << name_of(step.kind) << " at " << engine::format_time(step.at) << '\n';
    for (const HistoryPart& part : step.parts) {
      out << "  " << part.scope << " [" << engine::format_time(part.covered.from) << ", "
          << engine::format_time(part.covered.to) << ')'
          << (part.completeness == engine::Completeness::truncated ? " truncated" : "");
      if (part.frontier) out << " frontier " << engine::format_time(*part.frontier);
      out << '\n';
      for (const HistoryRow& row : part.rows) {
        out << "    " << engine::format_time(row.bucket) << ' ' << row.series << ' '
            << engine::format_value(row.value) << '\n';
      }
    }
  }
  return out.str();
}

bool holds_for_histories(const std::string& claim, const Mix& mix,
                         const std::function<std::string(const History&)>& fault) {
  const auto make = [&](std::uint64_t seed) { return make_history(seed, mix, 1 + seed % kPollsMax); };
  // clang 14 cannot bind a function here.
  const auto smaller = [](const History& history) { return smaller_than(history); };
  const auto histories = rc::gen::shrink(
      rc::gen::map(rc::gen::noShrink(rc::gen::resize(100, rc::gen::arbitrary<std::uint64_t>())), make),
      smaller);
  return rc::check(claim, [&] {
    const History history = *histories;
    const std::string wrong = fault(history);
    if (!wrong.empty()) RC_FAIL(wrong);
  });
}

bool holds_for_seeds(const std::string& claim, const std::function<std::string(std::uint64_t)>& fault) {
  return rc::check(claim, [&] {
    const auto seed = *rc::gen::noShrink(rc::gen::resize(100, rc::gen::arbitrary<std::uint64_t>()));
    const std::string wrong = fault(seed);
    if (!wrong.empty()) RC_FAIL(wrong);
  });
}

}  // namespace settle::test
