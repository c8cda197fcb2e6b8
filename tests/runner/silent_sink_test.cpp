// What a job becomes while a sink has never answered, and when it does.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/runner/runner_world.hpp"

namespace settle::runner {
namespace {

using engine::Corrections;
using ::testing::HasSubstr;

const std::string kRepush = job_json("a", R"(,"corrections":"repush","watch":"10m")");

/// Tells as little of itself as a server that does not answer, till `answer`.
struct SilentSink : ::testing::Test {
  RunnerRig rig{kNoon, growing};

  void be_silent() {
    rig.sink.answers = false;
    rig.sink.overwrite = sinks::Overwrite::none;
    rig.sink.out_of_order_window = engine::Duration{};
  }
  void answer(sinks::Overwrite overwrite, std::optional<engine::Duration> window = std::nullopt) {
    rig.sink.answers = true;
    rig.sink.overwrite = overwrite;
    rig.sink.out_of_order_window = window;
    rig.pass(2min, 5s);
  }
  std::vector<const Job*> jobs() { return rig.service().list_jobs("default", "", 10); }
  std::string waiting() {
    const std::string text = rig.service().metrics_text();
    const std::string name = "\nsettle_config_jobs_waiting ";
    const std::size_t at = text.find(name);
    return at == text.npos ? "" : text.substr(at + name.size(), 1);
  }
};

TEST_F(SilentSink, HoldsUpANewJobOfTheConfigurationUntilItAnswers) {
  be_silent();
  rig.start();
  ASSERT_TRUE(rig.configure({kRepush}));
  EXPECT_TRUE(jobs().empty());
  EXPECT_EQ(waiting(), "1");
  rig.pass(1min, 5s);
  EXPECT_TRUE(jobs().empty());
  answer(sinks::Overwrite::last_wins);
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0]->spec.engine.corrections, Corrections::repush);
  EXPECT_EQ(jobs()[0]->origin, Origin::config);
  EXPECT_EQ(waiting(), "0");
}

TEST_F(SilentSink, LeavesDefaultsOpenUntilItAnswers) {
  be_silent();
  rig.start();
  ASSERT_TRUE(rig.configure({job_json("a", R"(,"values":"growing","watch":"10m")")}));
  EXPECT_TRUE(jobs().empty());
  answer(sinks::Overwrite::max_wins);
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0]->spec.engine.corrections, Corrections::repush);
  EXPECT_TRUE(jobs()[0]->spec.engine.rising_only);
  EXPECT_FALSE(jobs()[0]->spec.engine.in_order) << "it takes samples in any order";
}

TEST_F(SilentSink, DecidesTheOrderOfRowsWhenItAnswers) {
  be_silent();
  rig.start();
  ASSERT_TRUE(rig.configure({job_json("a", R"(,"corrections":"hold","watch":"10m")")}));
  EXPECT_TRUE(jobs().empty());
  answer(sinks::Overwrite::none, 0s);
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_TRUE(jobs()[0]->spec.engine.in_order);
}

TEST_F(SilentSink, HoldsUpNoJobThatDoesNotNeedItsAnswer) {
  be_silent();
  rig.sink.out_of_order_window.reset();
  rig.start();
  ASSERT_TRUE(rig.configure({kRepush, job_json("b", R"(,"record":"b","corrections":"hold")"),
                             job_json("c", R"(,"record":"c","corrections":"ledger")")}));
  ASSERT_EQ(jobs().size(), 2u);
  EXPECT_EQ(waiting(), "1");
}

TEST_F(SilentSink, LeavesAJobAsItIsOverARestart) {
  rig.sink.overwrite = sinks::Overwrite::last_wins;
  rig.start();
  ASSERT_TRUE(rig.configure({kRepush}));
  ASSERT_TRUE(rig.post(job_json("b", R"(,"record":"b")")));
  ASSERT_EQ(jobs().size(), 2u);
  const std::string id = jobs()[0]->id;
  const std::string other = jobs()[1]->id;
  rig.stop();
  be_silent();
  rig.start();
  ASSERT_TRUE(rig.configure({kRepush}));
  EXPECT_EQ(waiting(), "0");
  const auto again = rig.post(job_json("b", R"(,"record":"b")"));
  ASSERT_TRUE(again) << again.refusal().detail;
  EXPECT_EQ(again->how, Added::How::existing);
  rig.pass(2min, 5s);
  ASSERT_EQ(jobs().size(), 2u);
  EXPECT_EQ(jobs()[0]->id, id);
  EXPECT_EQ(jobs()[1]->id, other);
  EXPECT_EQ(jobs()[0]->spec.engine.corrections, Corrections::repush);
  const JobStatus status = rig.service().job_status(*jobs()[0]);
  EXPECT_EQ(status.state, JobState::running) << status.last_error;
  EXPECT_TRUE(status.warnings.empty());
}

TEST_F(SilentSink, KeepsTheOldJobUntilTheChangedOneCanBeMade) {
  rig.sink.overwrite = sinks::Overwrite::last_wins;
  rig.start();
  ASSERT_TRUE(rig.configure({kRepush}));
  const std::string id = jobs()[0]->id;
  rig.stop();
  be_silent();
  rig.start();
  const std::string changed = job_json("a", R"(,"corrections":"repush","watch":"20m")");
  ASSERT_TRUE(rig.configure({changed}));
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0]->id, id);
  EXPECT_EQ(waiting(), "1");
  answer(sinks::Overwrite::last_wins);
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_NE(jobs()[0]->id, id);
  EXPECT_EQ(jobs()[0]->spec.engine.watch, 20min);
}

TEST_F(SilentSink, KeepsNoOldJobThatIsInTheWayOfOneThatCanBeMade) {
  rig.sink.overwrite = sinks::Overwrite::last_wins;
  rig.start();
  ASSERT_TRUE(rig.configure({kRepush}));
  rig.stop();
  be_silent();
  rig.sink.out_of_order_window.reset();
  rig.start();
  // The name of its output goes to another job, and it takes a new one.
  ASSERT_TRUE(rig.configure({job_json("a", R"(,"corrections":"repush","record":"new")"),
                             job_json("b", R"(,"corrections":"hold")")}));
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0]->spec.store_path, "b");
  answer(sinks::Overwrite::last_wins);
  EXPECT_EQ(jobs().size(), 2u);
}

TEST_F(SilentSink, IsNamedInThe503ToAJobThatNeedsItsAnswer) {
  be_silent();
  rig.sink.out_of_order_window.reset();
  rig.start();
  for (const char* more : {R"(,"corrections":"repush")", R"(,"values":"growing")"}) {
    const auto refused = rig.post(job_json("a", more));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.refusal().kind, Refusal::Kind::unavailable);
    EXPECT_THAT(refused.refusal().detail, HasSubstr(R"(sink "memory" has not answered)"));
  }
  EXPECT_TRUE(rig.post(job_json("a", R"(,"corrections":"hold")")));
  answer(sinks::Overwrite::last_wins);
  EXPECT_TRUE(rig.post(job_json("b", R"(,"record":"b","corrections":"repush")")));
}

TEST_F(SilentSink, IsNamedInThe503ToABackfill) {
  rig.start();
  ASSERT_TRUE(rig.post(kRepush));
  rig.pass(20min, 10s);
  rig.stop();
  be_silent();
  rig.start();
  const std::string id = jobs()[0]->id;
  const std::string range = R"({"start":"2026-06-26T10:00:00Z","end":"2026-06-26T11:00:00Z"})";
  const auto refused = rig.backfill(id, range);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.refusal().kind, Refusal::Kind::unavailable);
  EXPECT_THAT(refused.refusal().detail, HasSubstr("sink memory has not answered"));
  answer(sinks::Overwrite::append_log);
  const auto taken = rig.backfill(id, range);
  EXPECT_TRUE(taken) << taken.refusal().detail;
}

TEST_F(SilentSink, IsWaitedForByABackfillThatWasTakenBefore) {
  rig.sink.out_of_order_window.reset();
  rig.start();
  ASSERT_TRUE(rig.post(kRepush));
  rig.pass(20min, 10s);
  const std::string id = jobs()[0]->id;
  const auto taken =
      rig.backfill(id, R"({"start":"2026-06-26T10:00:00Z","end":"2026-06-26T11:00:00Z","rate":0.1})");
  ASSERT_TRUE(taken) << taken.refusal().detail;
  const auto status = [&] { return *rig.service().find_backfill("default", id, taken->status.id); };
  rig.pass(1min, 10s);
  ASSERT_NE(status().state, BackfillState::done);
  rig.stop();
  be_silent();
  rig.start();
  rig.pass(10min, 10s);
  EXPECT_EQ(status().state, BackfillState::waiting);
  EXPECT_THAT(status().last_error, HasSubstr("sink memory is not reachable"));
  answer(sinks::Overwrite::append_log);
  rig.pass(20min, 10s);
  EXPECT_EQ(status().state, BackfillState::done);
  EXPECT_EQ(status().buckets_impossible, 0u);
}

TEST_F(SilentSink, LeavesOutAtTheStartWhatAKnownSinkCannotTakeAndAReloadRefusesIt) {
  rig.sink.overwrite = sinks::Overwrite::none;
  rig.start();
  rig.pass(5s);
  const std::string fits = job_json("b", R"(,"record":"b")");
  ASSERT_TRUE(rig.configure({kRepush, fits}));
  ASSERT_EQ(jobs().size(), 1u);
  EXPECT_EQ(jobs()[0]->spec.store_path, "b");
  EXPECT_EQ(waiting(), "0");
  const auto refused = rig.reload(growing, {kRepush, fits});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.refusal().detail, HasSubstr("keeps both values"));
}

TEST_F(SilentSink, WaitsForItAlsoAfterAReload) {
  be_silent();
  rig.start();
  ASSERT_TRUE(rig.reload(growing, {kRepush}));
  EXPECT_EQ(waiting(), "1");
  ASSERT_TRUE(rig.reload(growing, {})) << "taken out of the file again";
  EXPECT_EQ(waiting(), "0");
  answer(sinks::Overwrite::last_wins);
  EXPECT_TRUE(jobs().empty());
}

}  // namespace
}  // namespace settle::runner
