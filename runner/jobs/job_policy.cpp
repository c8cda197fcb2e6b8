#include "runner/jobs/job_policy.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json.hpp>

namespace settle::runner {

namespace {

namespace json = boost::json;
using engine::Corrections;

/// A share as the grammar of parse_finality writes it; "" when refused or not given.
std::string share_text(JsonRequest& in, const char* field, std::string_view expected) {
  const json::value* value = in.body().if_contains(field);
  if (value == nullptr) return {};
  if (value->is_string()) return std::string{value->get_string()};
  if (!value->is_number()) {
    in.refuse(field, "expected " + std::string{expected} + "; found " + type_name(*value));
    return {};
  }
  std::array<char, 400> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value->to_number<double>(),
                                 std::chars_format::fixed);
  return {digits.data(), end.ptr};
}

/// Reads one short form by completing it to a whole policy: one grammar for both.
std::optional<engine::Learned> read_share(JsonRequest& in, const char* field, const std::string& before,
                                          std::string_view expected) {
  const std::string text = share_text(in, field, expected);
  if (in.failed() || !in.given(field)) return std::nullopt;
  const bool one_share = text.find(',') == text.npos;
  const auto policy = engine::parse_finality(before + text);
  if (!policy || !one_share) {
    in.refuse(field, quoted(text) + " is not a share that fits; expected " + std::string{expected});
    return std::nullopt;
  }
  return std::get<engine::Learned>(*policy);
}

void note_share(JsonRequest& in, const char* field, const engine::Learned& policy, std::string_view before) {
  const std::string text = engine::format_finality(policy);
  const std::size_t at = text.find(before);
  in.note_text(field, at == text.npos ? "0" : text.substr(at + before.size()));
}

/// What is asked of a window only rises while the values of its buckets do. Not so increase and rate: the
/// first value of a window is what they start from; nor counts of distinct numbers: two may become one.
bool results_grow(const query::ViewSpec& view) {
  using engine::Function;
  switch (view.query.function) {
    case Function::sum_over_time:
    case Function::count_over_time:
    case Function::max_over_time:
      return true;
    case Function::count_distinct_over_time:
      return !view.cells.item.empty();
    default:
      return false;
  }
}

/// A sketch has changed or has not.
void refuse_tolerance(JsonRequest& in, const JobSpec& spec) {
  const auto* learned = std::get_if<engine::Learned>(&spec.engine.finality);
  const bool has_one = learned != nullptr && learned->tolerance != 0;
  if (!has_one && !in.given("tolerance")) return;
  in.refuse(
      has_one ? "finality" : "tolerance",
      std::string(has_one ? "has a tolerance, which " : "") +
          "means nothing with a function: cells are sketches, of which a change has no size; leave it out");
}

/// Why `spec` must not be pushed there a second time; "" where it may.
std::string why_no_repush(const std::string& name, const JobContext::SinkFacts& facts, const JobSpec& spec) {
  if (facts.overwrites) return {};
  const std::string sink = "sink " + quoted(name) + ": ";
  if (!facts.keeps_larger) return sink + facts.why_not;
  if (spec.engine.output == engine::Output::counter) {
    return sink + "it keeps the larger of two values, and a running total may have to fall";
  }
  if (spec.view && !results_grow(*spec.view)) {
    return sink + "it keeps the larger of two values, and one of " +
           std::string{engine::function_text(spec.view->query.function)} + " may have to fall";
  }
  if (spec.values == Values::growing) return {};
  return sink + facts.why_not + "; where values only rise, say \"values\": \"growing\"";
}

/// Of the job's sinks, one each that has not answered yet and would have to; "" : none.
struct SilentSinks {
  std::string on_overwrite;
  std::string on_order;
};

Refusal not_answered(const char* field, const std::string& sink, const std::string& what,
                     const std::string& instead) {
  return {.kind = Refusal::Kind::unavailable,
          .field = field,
          .detail = "sink " + quoted(sink) + " has not answered since the start, and whether it takes " +
                    what +
                    " is not known: the job can be made when it has answered (/api/v1/outbox says why it has "
                    "not), or " +
                    instead,
          .job_id = {}};
}

}  // namespace

void read_finality(JsonRequest& in, JobSpec& spec) {
  constexpr const char* kTarget = "error_target";
  constexpr const char* kTolerance = "tolerance";
  if (in.given("finality")) {
    const auto policy = in.parsed("finality", "a policy such as \"learned\" or \"consecutive:3\"",
                                  engine::parse_finality, engine::format_finality);
    if (!policy) return;
    spec.engine.finality = *policy;
  }
  if (!in.given("finality")) spec.engine.finality = engine::Learned{};
  if (spec.view) refuse_tolerance(in, spec);
  if (in.failed()) return;
  if (!in.given(kTarget) && !in.given(kTolerance)) return;
  const char* field = in.given(kTarget) ? kTarget : kTolerance;
  engine::Learned learned;
  if (in.given("finality")) {
    const auto* asked = std::get_if<engine::Learned>(&spec.engine.finality);
    if (asked == nullptr) {
      return in.refuse(
          field, "means nothing with \"finality\": " + quoted(engine::format_finality(spec.engine.finality)) +
                     "; leave one of them out, or ask for \"finality\": \"learned\"");
    }
    if (in.text("finality", "a policy")->find(':') != std::string::npos) {
      return in.refuse(field,
                       "is said by \"finality\" already; expected \"finality\": \"learned\" beside it");
    }
    in.note_text("finality", "learned");
    learned = *asked;
  }
  if (const auto read =
          read_share(in, kTarget, "learned:", "a share from 0.0001 to 0.5 such as 0.01 or \"1%\"")) {
    learned.error_target = read->error_target;
    note_share(in, kTarget, *read, "learned:");
  }
  if (const auto read =
          read_share(in, kTolerance, "learned:0.01,tolerance=", "a share up to 0.5 such as 0.01 or \"1%\"")) {
    learned.tolerance = read->tolerance;
    note_share(in, kTolerance, *read, "tolerance=");
  }
  spec.engine.finality = learned;
}

void read_values(JsonRequest& in, JobSpec& spec) {
  spec.values =
      in.choice<Values>("values", {{"any", Values::any}, {"growing", Values::growing}}, Values::any);
}

/// Results whose sum over windows says something.
bool adds_over_time(const query::ViewSpec& view) {
  using engine::Function;
  const Function function = view.query.function;
  return function == Function::sum_over_time || function == Function::count_over_time ||
         function == Function::increase;
}

void read_corrections(JsonRequest& in, JobSpec& spec, const JobContext& context) {
  constexpr const char* kField = "corrections";
  std::string why_not;
  bool rising_only = false;
  bool in_order = false;
  SilentSinks silent;
  for (const std::string& name : spec.sinks) {
    const JobContext::SinkFacts facts = context.sink(name);
    const bool is_narrow = facts.out_of_order_window.value_or(spec.engine.watch) < spec.engine.watch;
    in_order = in_order || (is_narrow && facts.window_known);
    if (is_narrow && !facts.window_known) silent.on_order = name;
    if (!facts.overwrite_known) {
      silent.on_overwrite = name;
      continue;
    }
    rising_only = rising_only || (!facts.overwrites && facts.keeps_larger);
    if (why_not.empty()) why_not = why_no_repush(name, facts, spec);
  }
  const Corrections fitting = why_not.empty() ? Corrections::repush : Corrections::hold;
  spec.engine.corrections = in.choice<Corrections>(
      kField, {{"repush", Corrections::repush}, {"hold", Corrections::hold}, {"ledger", Corrections::ledger}},
      fitting);
  const bool is_gauge = spec.engine.output == engine::Output::gauge;
  const bool adds_up = is_gauge && (!spec.view || adds_over_time(*spec.view));
  const bool repushes = spec.engine.corrections == Corrections::repush;  // or may, where it was not asked for
  if (repushes && !why_not.empty()) {
    spec.unfit = Refusal{.kind = Refusal::Kind::invalid,
                         .field = kField,
                         .detail = "\"repush\" needs sinks that overwrite; " + why_not +
                                   "; expected \"hold\"" + (adds_up ? " or \"ledger\"" : ""),
                         .job_id = {}};
  } else if (repushes && !silent.on_overwrite.empty()) {
    spec.unfit = not_answered(kField, silent.on_overwrite, "a second value for one timestamp",
                              "with \"corrections\": \"hold\"");
  } else if (is_gauge && !in_order && !silent.on_order.empty()) {
    spec.unfit = not_answered("sinks", silent.on_order, "samples out of order",
                              "when the configuration says which `server` the sink is");
  }
  if (spec.engine.corrections == Corrections::ledger && spec.engine.output == engine::Output::counter) {
    in.refuse(kField,
              "\"ledger\" adds up differences of bucket values, and a counter's totals add up already; "
              "expected \"hold\" or \"repush\", or \"output\": \"gauge\"");
  }
  if (spec.engine.corrections == Corrections::ledger && spec.view && !adds_over_time(*spec.view)) {
    in.refuse(kField, "\"ledger\" adds up differences, and those of " +
                          std::string{engine::function_text(spec.view->query.function)} +
                          " mean nothing; expected \"hold\" or \"repush\"");
  }
  // Totals follow each other in any case.
  spec.engine.in_order = in_order && is_gauge;
  spec.engine.rising_only = repushes && rising_only;
}

}  // namespace settle::runner
