// bench/finality.cpp: the finality policies against each other on made-up sources, many seeds each; prints
// the tables of docs/finality.md. scripts/finality runs it.
//
// Per shape: `learned` with and without tolerance; the shortest fixed delays that reach the same error,
// searched over all multiples of the poll, as Settle has them (behind the frontier gate) and as plain age,
// which settles through a freeze; consecutive:N with the gate and, as everybody else has it, without.
#include "engine/finality/finality.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cli/replay/compare.hpp"
#include "cli/replay/replay.hpp"
#include "cli/replay/shapes.hpp"
#include "fetchers/trace.hpp"

namespace {

using namespace settle;
using namespace std::chrono_literals;
using cli::ReplayFigures;
using engine::Duration;
using engine::Finality;
using engine::Liveness;

struct Arguments {
  std::uint64_t seeds = 20;
  std::uint32_t windows = 3000;
  Duration poll = 15s;
  Duration skip = 4h;
  double target = 0.01;
  double tolerance = 0.01;
  std::vector<std::string> names;
};

using Histories = std::vector<std::unique_ptr<fetchers::TraceHistory>>;
using SomeHistories = std::span<const std::unique_ptr<fetchers::TraceHistory>>;
/// By seed, then by policy.
using Runs = std::vector<std::vector<ReplayFigures>>;

/// Calls `work` with 0 … count - 1 from all cores.
void for_each_parallel(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back([&] {
      for (std::size_t at = next++; at < count; at = next++) work(at);
    });
  }
}

Histories make_histories(const std::string& name, const Arguments& arguments) {
  Histories made(arguments.seeds);
  for_each_parallel(made.size(), [&](std::size_t i) {
    auto shaped = cli::make_shape(name, {.seed = i + 1, .windows = arguments.windows});
    made[i] = std::make_unique<fetchers::TraceHistory>(std::move(shaped->trace), cli::kReplayScope);
  });
  return made;
}

Runs run_all(SomeHistories histories, const Arguments& arguments, Liveness liveness, Duration skip,
             const std::vector<Finality>& policies) {
  cli::ReplayOptions options;
  options.engine.liveness = liveness;
  options.poll = arguments.poll;
  options.skip = skip;
  options.off_by = arguments.tolerance;
  Runs runs(histories.size());
  for_each_parallel(histories.size(), [&](std::size_t i) {
    auto figures = cli::replay_policies(*histories[i], options, policies);
    if (!figures) {
      std::cerr << "settle_finality: " << figures.error().detail << '\n';
      std::terminate();
    }
    runs[i] = *std::move(figures);
  });
  return runs;
}

/// One policy over all seeds: means, and of the shares the smallest and the greatest.
struct Row {
  struct Share {
    double mean = 0;
    double least = 1;
    double most = 0;
  };
  std::string policy;
  Share wrong;
  Share off;
  double wrong_with_start = -1;  // cold start included; below 0: not asked
  Duration mean_age{};
  Duration p99_age{};
  double forced = 0;
  std::uint64_t frozen = 0;  // sum
};

Row summarize(std::string policy, const Runs& runs, std::size_t place) {
  Row row;
  row.policy = std::move(policy);
  const auto count = static_cast<double>(runs.size());
  const auto add = [count](Row::Share& share, std::uint64_t part, std::uint64_t all) {
    const double one = cli::share_of(part, all);
    share.mean += one / count;
    share.least = std::min(share.least, one);
    share.most = std::max(share.most, one);
  };
  for (const auto& figures : runs) {
    const ReplayFigures& f = figures[place];
    add(row.wrong, f.wrong_at_first, f.windows);
    add(row.off, f.off_at_first, f.windows);
    row.mean_age += f.mean_age;
    row.p99_age += f.p99_age;
    row.forced += cli::share_of(f.forced, f.windows) / count;
    row.frozen += f.frozen;
  }
  row.mean_age /= static_cast<std::int64_t>(runs.size());
  row.p99_age /= static_cast<std::int64_t>(runs.size());
  return row;
}

/// The shortest fixed delay whose mean share is at most `share`: more delay is never more wrong. Looked for
/// on a few seeds, then moved until it is the shortest for all of them.
std::optional<Row> find_fixed(const Histories& histories, const Arguments& arguments, Liveness liveness,
                              Row::Share Row::*which, double share) {
  const auto row_of = [&](std::int64_t polls, std::size_t seeds) {
    const engine::Fixed fixed{.age = polls * arguments.poll};
    return summarize(engine::format_finality(fixed),
                     run_all(std::span(histories).first(seeds), arguments, liveness, arguments.skip, {fixed}),
                     0);
  };
  constexpr std::size_t kFewSeeds = 4;
  std::int64_t low = 0;  // too short
  std::int64_t high = engine::EngineOptions{}.watch / arguments.poll;
  const std::int64_t longest = high;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    const Row row = row_of(middle, std::min(kFewSeeds, histories.size()));
    ((row.*which).mean <= share ? high : low) = middle;
  }
  Row best = row_of(high, histories.size());
  while ((best.*which).mean > share) {
    if (high == longest) return std::nullopt;
    best = row_of(++high, histories.size());
  }
  for (;;) {
    if (high == 1) return best;
    Row shorter = row_of(--high, histories.size());
    if ((shorter.*which).mean > share) return best;
    best = std::move(shorter);
  }
}

/// The best fixed delays for the error of a policy; none: not even one of `watch` reaches it.
struct BestFixed {
  std::optional<Row> gated;
  std::optional<Row> plain;
};

BestFixed best_fixed(const Histories& histories, const Arguments& arguments, Row::Share Row::*which,
                     double share) {
  return {.gated = find_fixed(histories, arguments, Liveness::automatic, which, share),
          .plain = find_fixed(histories, arguments, Liveness::answers, which, share)};
}

void append(std::vector<Row>& rows, const std::string& as, const BestFixed& best) {
  const auto add = [&](const std::optional<Row>& one, const std::string& how) {
    if (!one) return;
    rows.push_back(*one);
    rows.back().policy = as + ": " + one->policy + how;
  };
  add(best.gated, "");
  add(best.plain, " no gate");
}

std::string age_text(Duration age) {
  return std::to_string(std::chrono::round<std::chrono::seconds>(age).count()) + " s";
}
std::string share_text(const Row::Share& share) {
  return cli::percent_text(share.mean) + " (" + cli::percent_text(share.least) + " to " +
         cli::percent_text(share.most) + ")";
}

void print_rows(std::ostream& out, const std::string& shape, const std::vector<Row>& rows,
                const Arguments& arguments) {
  out << "\n### " << shape << "\n| policy | wrong, % (seeds) | off by > "
      << cli::percent_text(arguments.tolerance)
      << " %, % (seeds) | mean age | p99 age | by ttl, % | frozen |\n|---|---|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    out << "| " << row.policy << " | " << share_text(row.wrong) << " | " << share_text(row.off) << " | "
        << age_text(row.mean_age) << " | " << age_text(row.p99_age) << " | " << cli::percent_text(row.forced)
        << " | " << row.frozen << " |\n";
  }
}

struct Verdict {
  std::string shape;
  Row learned;
  BestFixed fixed;
  Row tolerant;
  BestFixed tolerant_fixed;
};

Verdict run_shape(const std::string& name, const Arguments& arguments, std::ostream& details) {
  const Histories histories = make_histories(name, arguments);
  const engine::Learned exact{.error_target = arguments.target};
  const engine::Learned tolerant{.error_target = arguments.target, .tolerance = arguments.tolerance};
  std::vector<Finality> gated{exact, tolerant};
  for (const std::uint32_t polls : {3u, 10u}) gated.emplace_back(engine::Consecutive{polls});
  const std::vector<Finality> plain{engine::Consecutive{3}, engine::Fixed{2min}, engine::Fixed{5min},
                                    engine::Fixed{10min}, engine::Fixed{20min}};
  const Runs warm = run_all(histories, arguments, Liveness::automatic, arguments.skip, gated);
  const Runs cold = run_all(histories, arguments, Liveness::automatic, Duration{}, {exact, tolerant});
  const Runs classic = run_all(histories, arguments, Liveness::answers, arguments.skip, plain);
  std::vector<Row> rows;
  for (std::size_t i = 0; i < gated.size(); ++i) {
    rows.push_back(summarize(engine::format_finality(gated[i]), warm, i));
  }
  for (const std::size_t i : {0u, 1u}) {
    const Row all = summarize("", cold, i);
    rows[i].wrong_with_start = (i == 0 ? all.wrong : all.off).mean;
  }
  for (std::size_t i = 0; i < plain.size(); ++i) {
    rows.push_back(summarize(engine::format_finality(plain[i]) + " no gate", classic, i));
  }
  Verdict verdict{.shape = name,
                  .learned = rows[0],
                  .fixed = best_fixed(histories, arguments, &Row::wrong, rows[0].wrong.mean),
                  .tolerant = rows[1],
                  .tolerant_fixed = best_fixed(histories, arguments, &Row::off, rows[1].off.mean)};
  std::vector<Row> printed{verdict.learned};
  append(printed, "as exact", verdict.fixed);
  printed.push_back(verdict.tolerant);
  append(printed, "as close", verdict.tolerant_fixed);
  printed.insert(printed.end(), rows.begin() + 2, rows.end());
  print_rows(details, name, printed, arguments);
  return verdict;
}

void print_summary(const std::string& title, const std::string& what, const std::vector<Verdict>& verdicts,
                   Row Verdict::*policy, BestFixed Verdict::*fixed, Row::Share Row::*share) {
  const auto text_of = [&](const std::optional<Row>& best) {
    if (!best) return std::string("none up to 30m | |");
    return best->policy + ": " + cli::percent_text((*best.*share).mean) + " % | " + age_text(best->mean_age) +
           " |";
  };
  std::cout
      << "\n### " << title << "\n| shape | " << what
      << ", % (seeds) | with the cold start, % | mean age | p99 age | by ttl, % | frozen | best fixed delay "
         "| its mean age | best without the gate | its mean age | its frozen "
         "|\n|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Verdict& one : verdicts) {
    const Row& row = one.*policy;
    std::cout << "| " << one.shape << " | " << share_text(row.*share) << " | "
              << cli::percent_text(row.wrong_with_start) << " | " << age_text(row.mean_age) << " | "
              << age_text(row.p99_age) << " | " << cli::percent_text(row.forced) << " | " << row.frozen
              << " | " << text_of((one.*fixed).gated) << " " << text_of((one.*fixed).plain) << " "
              << ((one.*fixed).plain ? std::to_string((one.*fixed).plain->frozen) : "") << " |\n";
  }
}

int usage() {
  std::cerr
      << "usage: settle_finality [--seeds N] [--windows N] [--skip D] [--target SHARE] [--shape NAME ...]\n";
  return 2;
}

template <class Number>
bool read_number(std::string_view text, Number& into) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), into);
  return read.ec == std::errc{} && read.ptr == text.data() + text.size() && into > 0;
}

std::optional<Arguments> parse(const std::vector<std::string>& given) {
  Arguments arguments;
  for (std::size_t i = 0; i + 1 < given.size(); i += 2) {
    const std::string& value = given[i + 1];
    bool good = false;
    if (given[i] == "--seeds") good = read_number(value, arguments.seeds);
    if (given[i] == "--windows") good = read_number(value, arguments.windows);
    if (given[i] == "--target") good = read_number(value, arguments.target);
    if (given[i] == "--skip") {
      const auto skip = engine::parse_duration(value);
      good = skip.has_value();
      if (skip) arguments.skip = *skip;
    }
    if (given[i] == "--shape") {
      good = cli::make_shape(value, {.seed = 1, .windows = 1}).has_value();
      arguments.names.push_back(value);
    }
    if (!good) return std::nullopt;
  }
  if (given.size() % 2 != 0) return std::nullopt;
  if (arguments.names.empty()) {
    for (const cli::Shape& shape : cli::shapes()) arguments.names.emplace_back(shape.name);
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse({argv + 1, argv + argc});
  if (!arguments) return usage();
  std::vector<Verdict> verdicts;
  std::ostringstream details;
  for (const std::string& name : arguments->names) {
    std::cerr << name << '\n';
    verdicts.push_back(run_shape(name, *arguments, details));
  }
  const std::string target = engine::format_finality(engine::Learned{.error_target = arguments->target});
  std::cout << arguments->seeds << " seeds of " << arguments->windows << " windows each, poll "
            << engine::format_duration(arguments->poll) << ", watch 30m; the first "
            << engine::format_duration(arguments->skip)
            << " of each are not judged, except under \"with the cold start\".\n";
  print_summary(target, "wrong", verdicts, &Verdict::learned, &Verdict::fixed, &Row::wrong);
  print_summary(target + ",tolerance=" + cli::percent_text(arguments->tolerance) + "%",
                "off by > " + cli::percent_text(arguments->tolerance) + " %", verdicts, &Verdict::tolerant,
                &Verdict::tolerant_fixed, &Row::off);
  std::cout << details.str();
  return 0;
}
