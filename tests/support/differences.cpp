#include "tests/support/differences.hpp"

#include <sstream>
#include <utility>

namespace settle::test {

namespace {

std::string text_of(const std::optional<Value>& value) {
  return value ? engine::format_value(*value) : "none";
}

}  // namespace

std::string describe(const NaiveSample& sample) {
  std::ostringstream out;
  out << sample.series << ' ' << engine::format_time(sample.bucket) << ' '
      << engine::format_value(sample.value) << " revision " << sample.revision << ' '
      << engine::reason_text(sample.reason) << " age " << engine::format_duration(sample.age) << " polls "
      << sample.evidence_polls << " replaced " << text_of(sample.replaced) << ' ' << sample.sketch.bytes();
  return out.str();
}

std::string describe(const NaiveCellView& cell) {
  std::ostringstream out;
  out << cell.series << ' ' << engine::format_time(cell.bucket) << " scope " << cell.scope << ' '
      << engine::format_value(cell.value) << " emitted " << text_of(cell.emitted) << " revision "
      << cell.revision << (cell.quiet ? " quiet " : " moving ") << cell.sketch.bytes();
  return out.str();
}

std::string describe(const NaiveGap& gap) {
  std::ostringstream out;
  out << "gap of " << gap.scope << " [" << engine::format_time(gap.range.from) << ", "
      << engine::format_time(gap.range.to) << ')';
  for (const auto& cell : gap.cells) {
    out << "; " << cell.series << ' ' << engine::format_time(cell.bucket) << ' '
        << engine::format_value(cell.last_observed) << " emitted " << text_of(cell.emitted) << " revision "
        << cell.revision;
  }
  return out.str();
}

std::string difference(const engine::FinalityView& got, const engine::FinalityView& expected) {
  std::ostringstream out;
  const auto compare = [&](const char* field, auto a, auto b) {
    if (a != b) out << field << ": got " << a << ", expected " << b << '\n';
  };
  const auto shown = [](const std::optional<engine::Duration>& age) { return age ? age->count() : -1; };
  compare("settling_age", shown(got.settling_age), shown(expected.settling_age));
  compare("windows", got.windows, expected.windows);
  compare("error_level", got.error_level, expected.error_level);
  compare("judged", got.judged, expected.judged);
  compare("wrong", got.wrong, expected.wrong);
  compare("rechecked", got.rechecked, expected.rechecked);
  compare("rechecked_wrong", got.rechecked_wrong, expected.rechecked_wrong);
  compare("late_share", got.late_share, expected.late_share);
  compare("advised_watch", shown(got.advised_watch), shown(expected.advised_watch));
  return out.str();
}

std::string difference(const engine::EngineStats& got, const engine::EngineStats& expected) {
  std::ostringstream out;
  const auto compare = [&](const char* field, auto a, auto b) {
    if (a != b) out << field << ": got " << a << ", expected " << b << '\n';
  };
  using S = engine::EngineStats;
  const std::pair<const char*, std::uint64_t S::*> counts[] = {
      {"observations", &S::observations},
      {"changes", &S::changes},
      {"conflicts", &S::conflicts},
      {"rows_refused", &S::rows_refused},
      {"rows_uncountable", &S::rows_uncountable},
      {"rows_late", &S::rows_late},
      {"rows_over_limit", &S::rows_over_limit},
      {"vanished", &S::vanished},
      {"scope_moves", &S::scope_moves},
      {"answers_truncated", &S::answers_truncated},
      {"answers_unmoved", &S::answers_unmoved},
      {"settled", &S::settled},
      {"ttl", &S::ttl},
      {"corrections", &S::corrections},
      {"flushed", &S::flushed},
      {"zeros", &S::zeros},
      {"changed_after_final", &S::changed_after_final},
      {"held_back", &S::held_back},
      {"sealed", &S::sealed},
      {"given_up", &S::given_up},
  };
  for (const auto& [field, member] : counts) compare(field, got.*member, expected.*member);
  compare("unpropagated", got.unpropagated, expected.unpropagated);
  compare("withheld", got.withheld, expected.withheld);
  return out.str();
}

}  // namespace settle::test
