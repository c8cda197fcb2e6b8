// A job's sinks against its ledger, from the outside.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/runner/runner_world.hpp"

namespace settle::runner {
namespace {

using Kind = Mismatch::Kind;

fetchers::FetchResult minutes(const fetchers::FetchRequest& request) {
  const Shown minute = [](Time bucket, Time) {
    return Value::count(static_cast<std::uint64_t>(bucket.time_since_epoch() / 1min));
  };
  fetchers::FetchResult result;
  for (const char* series : {"requests_total{z=\"a\"}", "requests_total{z=\"b\"}"}) {
    say("source", series, request, minute, result);
  }
  return result;
}

struct VerifyJob : ::testing::Test {
  VerifyJob() {
    rig.sink.can_read_back = true;
    rig.sink.overwrite = sinks::Overwrite::none;
    rig.start();
    const auto added =
        rig.post(job_json("a", R"(,"watch":"10m","finality":"consecutive:3","corrections":"hold")"));
    EXPECT_TRUE(added);
    job = added ? added->job.id : "";
    rig.pass(30min, 15s);
    EXPECT_GT(rig.sink.rows.size(), 40u);
  }
  VerifyReport verify(std::size_t limit = 100) {
    auto report = rig.verify(job, {kNoon - 1h, kNoon + 1h}, limit);
    EXPECT_TRUE(report);
    return report ? *report : VerifyReport{};
  }
  RunnerRig rig{kNoon, minutes};
  std::string job;
};

TEST_F(VerifyJob, FindsEverythingWhereItWasPut) {
  const VerifyReport report = verify();
  EXPECT_EQ(report.compared, rig.sink.rows.size());
  EXPECT_EQ(report.missing + report.different + report.extra, 0u);
}

TEST_F(VerifyJob, NamesWhatIsMissingDifferentOrExtra) {
  const sinks::Row lost = rig.sink.rows[3];
  rig.sink.rows.erase(rig.sink.rows.begin() + 3);
  rig.sink.rows[7].value = Value::count(1);
  sinks::Row foreign = rig.sink.rows[9];
  foreign.timestamp += 1s;
  rig.sink.rows.push_back(foreign);
  rig.sink.rows.push_back(rig.sink.rows[11]);  // kept twice
  const VerifyReport report = verify();
  EXPECT_EQ(report.missing, 1u);
  EXPECT_EQ(report.different, 1u);
  EXPECT_EQ(report.extra, 2u);
  ASSERT_EQ(report.mismatches.size(), 4u);
  const auto missing = std::find_if(report.mismatches.begin(), report.mismatches.end(),
                                    [](const Mismatch& one) { return one.kind == Kind::missing; });
  ASSERT_NE(missing, report.mismatches.end());
  EXPECT_EQ(missing->series, std::string{lost.series});
  EXPECT_EQ(missing->timestamp, lost.timestamp);
  EXPECT_EQ(missing->acknowledged, lost.value);
  EXPECT_EQ(missing->sink, "memory");
  EXPECT_EQ(verify(1).mismatches.size(), 1u);
  EXPECT_EQ(verify(1).extra, 2u) << "counted all the same";
}

TEST_F(VerifyJob, DoesNotMissWhatStillWaits) {
  rig.sink.verdict = sinks::PushVerdict::retry;
  rig.pass(5min, 15s);
  const VerifyReport report = verify();
  EXPECT_GT(report.waiting, 0u);
  EXPECT_EQ(report.missing, 0u);
}

TEST_F(VerifyJob, CountsWhatTheSinkRefused) {
  const std::size_t before = rig.sink.rows.size();
  rig.sink.refuses = [](const sinks::Row& row) { return row.series == "requests_total{z=\"a\"}"; };
  rig.pass(10min, 15s);
  ASSERT_GT(rig.sink.rows.size(), before);
  rig.sink.refuses = nullptr;
  const VerifyReport report = verify();
  EXPECT_EQ(report.refused, rig.sink.rows.size() - before) << "of the two series, one was refused";
  EXPECT_EQ(report.compared, rig.sink.rows.size());
  EXPECT_EQ(report.missing + report.different + report.extra, 0u);
  const auto jobs = rig.service().list_jobs("default", "", 10);
  ASSERT_EQ(jobs.size(), 1u);
  const JobStatus status = rig.service().job_status(*jobs[0]);
  ASSERT_EQ(status.warnings.size(), 1u);
  EXPECT_NE(status.warnings[0].find("refused"), std::string::npos) << status.warnings[0];
  EXPECT_NE(status.warnings[0].find("out of order sample"), std::string::npos) << status.warnings[0];
}

TEST_F(VerifyJob, KnowsWhatWasSentBeforeARestart) {
  rig.stop();
  rig.start();
  const VerifyReport report = verify();
  EXPECT_EQ(report.compared, rig.sink.rows.size());
  EXPECT_EQ(report.missing + report.different + report.extra, 0u);
}

TEST_F(VerifyJob, WhatAFormerJobSentUnderTheSameSeriesIsNotExtra) {
  const std::size_t before = rig.sink.rows.size();
  const auto other =
      rig.post(job_json("a", R"(,"watch":"20m","finality":"consecutive:3","corrections":"hold")"), true);
  ASSERT_TRUE(other);
  rig.pass(10min, 15s);
  ASSERT_GT(rig.sink.rows.size(), before);
  auto report = rig.verify(other->job.id, {kNoon - 1h, kNoon + 1h});
  ASSERT_TRUE(report);
  EXPECT_GT(report->compared, 0u);
  EXPECT_EQ(report->missing + report->different + report->extra, 0u);
}

TEST_F(VerifyJob, SaysWhichSinksCannotBeRead) {
  rig.sink.can_read_back = false;
  rig.pass(1min, 15s);  // the next check of the sink
  const VerifyReport report = verify();
  EXPECT_EQ(report.sinks_without_read_back, std::vector<std::string>{"memory"});
  EXPECT_EQ(report.compared, 0u);
}

JobStatus status_of(RunnerRig& rig, const std::string& job) {
  return rig.service().job_status(*rig.service().find_job("default", job));
}

TEST_F(VerifyJob, ASinkThatDropsWhatItAcknowledgedMakesTheJobFailUntilItKeepsItAgain) {
  rig.pass(15min, 15s);
  EXPECT_EQ(status_of(rig, job).last_error, "");
  rig.sink.drops = true;
  rig.pass(20min, 15s);
  const JobStatus failing = status_of(rig, job);
  EXPECT_EQ(failing.state, JobState::failing);
  EXPECT_NE(failing.last_error.find("requests_total{z="), std::string::npos) << failing.last_error;
  EXPECT_NE(failing.last_error.find("sink memory"), std::string::npos);
  EXPECT_NE(
      rig.service().metrics_text().find(R"(settle_read_back_rows_total{outcome="missing",sink="memory"})"),
      std::string::npos);
  rig.sink.drops = false;
  rig.sink.rows.insert(rig.sink.rows.end(), rig.sink.dropped.begin(), rig.sink.dropped.end());
  rig.pass(10min, 15s);
  EXPECT_EQ(status_of(rig, job).last_error, "");
}

double counted(RunnerRig& rig, const std::string& outcome) {
  const std::string name = "settle_read_back_rows_total{outcome=\"" + outcome + "\",sink=\"memory\"} ";
  const std::string text = rig.service().metrics_text();
  const std::size_t at = text.find(name);
  return at == std::string::npos ? 0 : std::stod(text.substr(at + name.size()));
}

TEST_F(VerifyJob, ARowThatStaysMissingIsSaidOnce) {
  rig.pass(15min, 15s);
  rig.sink.drops = true;
  rig.pass(20min, 15s);
  EXPECT_EQ(status_of(rig, job).state, JobState::failing);
  rig.sink.drops = false;  // what it dropped is gone for good
  rig.pass(20min, 15s);
  EXPECT_EQ(status_of(rig, job).last_error, "");
  const double missing = counted(rig, "missing");
  EXPECT_GT(missing, 0);
  EXPECT_LE(missing, static_cast<double>(rig.sink.dropped.size())) << "each of them once";
  const std::uint64_t asked = rig.sink.asked;
  const double found = counted(rig, "found");
  rig.pass(20min, 15s);
  EXPECT_EQ(counted(rig, "missing"), missing);
  EXPECT_EQ(counted(rig, "found") - found, static_cast<double>(rig.sink.asked - asked))
      << "nobody asks again for what is known to be gone";
}

TEST_F(VerifyJob, NobodyAsksForTheRowsOfAJobThatIsGone) {
  rig.pass(15min, 15s);
  rig.sink.drops = true;
  rig.pass(20min, 15s);
  ASSERT_EQ(status_of(rig, job).state, JobState::failing);
  ASSERT_TRUE(rig.remove(job));
  const std::uint64_t asked = rig.sink.asked;
  rig.pass(10min, 15s);
  EXPECT_EQ(rig.sink.asked, asked);
}

TEST_F(VerifyJob, ARowThatTheSinkRefusedIsNotMissing) {
  rig.pass(15min, 15s);
  rig.sink.verdict = sinks::PushVerdict::refused;
  rig.pass(20min, 15s);
  EXPECT_GT(counted(rig, "dead"), 0);
  EXPECT_EQ(counted(rig, "missing"), 0);
  EXPECT_EQ(status_of(rig, job).last_error, "");
}

/// 100, then 117.5 after four minutes, then 112 after seven.
fetchers::FetchResult revised(const fetchers::FetchRequest& request) {
  fetchers::FetchResult result = minutes(request);
  for (auto& row : result.answer.scopes[0].rows) {
    const engine::Duration age = request.now - row.bucket - 1min;
    row.value = Value::number(age < 4min ? 100 : age < 7min ? 117.5 : 112);
  }
  return result;
}

TEST(VerifyLedgerJob, ComparesTheDifferencesUnderTheirOwnNames) {
  RunnerRig rig{kNoon, revised};
  rig.sink.can_read_back = true;
  rig.sink.overwrite = sinks::Overwrite::none;
  rig.start();
  const auto added =
      rig.post(job_json("a", R"(,"watch":"12m","finality":"consecutive:2","corrections":"ledger")"));
  ASSERT_TRUE(added);
  rig.pass(30min, 15s);
  const auto of_revision = [&](const char* revision) {
    return std::find_if(rig.sink.rows.begin(), rig.sink.rows.end(), [&](const sinks::Row& row) {
      return row.timestamp >= kNoon &&
             row.series.view().find(":revision{revision=\"" + std::string{revision} + "\"") !=
                 std::string_view::npos;
    });
  };
  const auto verify = [&] { return *rig.verify(added->job.id, {kNoon - 1h, kNoon + 1h}); };
  ASSERT_NE(of_revision("3"), rig.sink.rows.end());
  EXPECT_EQ(of_revision("2")->value, Value::number(17.5));
  EXPECT_EQ(of_revision("3")->value, Value::number(-5.5));
  const VerifyReport right = verify();
  EXPECT_EQ(right.compared, rig.sink.rows.size());
  EXPECT_EQ(right.missing + right.different + right.extra, 0U);

  of_revision("3")->value = Value::number(112);  // the value where the difference belongs
  sinks::Row twice = *of_revision("2");
  const std::string lost{of_revision("2")->series};
  rig.sink.rows.erase(of_revision("2"));
  const VerifyReport wrong = verify();
  EXPECT_EQ(wrong.missing, 1U);
  EXPECT_EQ(wrong.different, 1U);
  EXPECT_EQ(wrong.extra, 0U);
  const auto missing = std::find_if(wrong.mismatches.begin(), wrong.mismatches.end(),
                                    [](const Mismatch& one) { return one.kind == Kind::missing; });
  EXPECT_EQ(missing->series, lost);
  EXPECT_EQ(missing->acknowledged, Value::number(17.5));

  rig.sink.rows.push_back(twice);
  rig.sink.rows.push_back(twice);  // a difference that is kept twice is added twice
  EXPECT_EQ(verify().missing, 0U);
  EXPECT_EQ(verify().extra, 1U);
}

TEST_F(VerifyJob, KnowsNoUnknownJob) {
  const auto report = rig.verify("nobody", {kNoon - 1h, kNoon + 1h});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.refusal().kind, Refusal::Kind::not_found);
}

}  // namespace
}  // namespace settle::runner
