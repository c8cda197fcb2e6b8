#include "tests/simulation/slips.hpp"

#include "engine/plan/backfill.hpp"
#include "runner/backfill/backfill_lane_impl.hpp"

// The names that the linker's --wrap asks for, and those that it gives to what it wrapped.
#define SETTLE_PLAN "_ZN6settle6engine13plan_backfillERKNS0_11BackfillAskE"
#define SETTLE_ACCEPT                                                                          \
  "_ZN6settle6runner12BackfillLane4Impl6acceptERNS0_12BackfillItemERKNS0_7VerdictENS_6engine9" \
  "TimeRangeE"

namespace settle::simulation {

Slips& slips() {
  static Slips all;
  return all;
}

engine::BackfillPlan real_plan(const engine::BackfillAsk& ask) asm("__real_" SETTLE_PLAN);
engine::BackfillPlan slip_in_plan(const engine::BackfillAsk& ask) asm("__wrap_" SETTLE_PLAN);
engine::BackfillPlan slip_in_plan(const engine::BackfillAsk& ask) {
  engine::BackfillPlan plan = real_plan(ask);
  if (slips().ends_a_bucket_short && plan.end_effective > ask.asked.from) {
    plan.end_effective -= ask.granularity;
    plan.todo.keep({ask.asked.from, plan.end_effective});
    plan.buckets_total -= 1;
  }
  return plan;
}

// Of a member, whose object comes first.
bool real_accept(void* lane, runner::BackfillItem& item, const runner::Verdict& verdict,
                 engine::TimeRange range) asm("__real_" SETTLE_ACCEPT);
bool slip_in_accept(void* lane, runner::BackfillItem& item, const runner::Verdict& verdict,
                    engine::TimeRange range) asm("__wrap_" SETTLE_ACCEPT);
bool slip_in_accept(void* lane, runner::BackfillItem& item, const runner::Verdict& verdict,
                    engine::TimeRange range) {
  if (!slips().passes_failed_chunks) return real_accept(lane, item, verdict, range);
  const_cast<runner::Verdict&>(verdict).missing.clear();  // leaves no gap either
  return true;
}

}  // namespace settle::simulation
