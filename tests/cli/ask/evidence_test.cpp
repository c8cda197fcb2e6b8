#include "cli/ask/evidence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/ask/daemon_fixture.hpp"

namespace settle::cli {
namespace {

using std::chrono::minutes;
using ::testing::HasSubstr;

const engine::Time kStart = engine::from_epoch_ms(1'782'471'600'000);  // 2026-06-26T11:00:00Z

class Evidence : public DaemonTest {
 protected:
  EvidenceOptions options_of(const std::string& job) {
    EvidenceOptions options;
    options.server = url;
    options.job = job;
    options.from = "2026-06-26T11:00:00Z";
    options.to = "2026-06-26T12:00:00Z";
    return options;
  }
};

TEST_F(Evidence, ListsGaps) {
  const std::string id = add_job("a/b");
  on_daemon([&](test::FakeService& service) {
    service.gaps_of[id] = {{.scope = "",
                            .range = {.from = kStart, .to = kStart + minutes{2}},
                            .state = runner::GapState::scheduled,
                            .reason = "the source did not answer",
                            .cells = 3,
                            .attempts = 1,
                            .last_error = "timed out",
                            .noticed_at = kStart + minutes{40},
                            .closed_at = {}}};
  });
  EXPECT_EQ(list_gaps(options_of("a/b"), out, err), 0) << err.str();
  EXPECT_EQ(
      out.str(),
      "state      start                 end                   scope  cells  attempts  reason                "
      "     last_error\n"
      "scheduled  2026-06-26T11:00:00Z  2026-06-26T11:02:00Z             3         1  the source did not "
      "answer  timed out\n");
  EXPECT_EQ(list_gaps(options_of("nobody"), out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("settle gaps: no job has"));
}

TEST_F(Evidence, FailsWhereTheSinksRefusedSome) {
  add_job("p");
  on_daemon([&](test::FakeService& service) {
    service.report.compared = 60;
    service.report.refused = 3;
  });
  EXPECT_EQ(verify_job(options_of("p"), out, err), 1);
  EXPECT_THAT(out.str(), HasSubstr("3 were refused by the sinks and are not there: /api/v1/dead-letters"));
}

TEST_F(Evidence, SaysThatTheSinksHaveWhatTheyAcknowledged) {
  add_job("p");
  on_daemon([&](test::FakeService& service) {
    service.report.compared = 60;
    service.report.waiting = 2;
    service.report.sinks_without_read_back = {"log", "relay"};
  });
  EXPECT_EQ(verify_job(options_of("p"), out, err), 0) << err.str();
  EXPECT_EQ(out.str(),
            "compared 60 samples from 2026-06-26T11:00:00Z to 2026-06-26T12:00:00Z\n"
            "2 are not acknowledged yet and were not compared\n"
            "not compared, since what they have cannot be read: log, relay\n"
            "the sinks have what they acknowledged, and nothing else\n");
}

TEST_F(Evidence, FailsWhenAnythingDiffers) {
  add_job("p");
  for (std::uint64_t runner::VerifyReport::*kind :
       {&runner::VerifyReport::missing, &runner::VerifyReport::different, &runner::VerifyReport::extra}) {
    on_daemon([&](test::FakeService& service) {
      service.report = {};
      service.report.compared = 60;
      service.report.*kind = 1;
    });
    EXPECT_EQ(verify_job(options_of("p"), out, err), 1);
  }
  on_daemon([&](test::FakeService& service) {
    service.report.mismatches = {{.kind = runner::Mismatch::Kind::different,
                                  .sink = "tsdb",
                                  .series = "m{zone=\"a\"}",
                                  .timestamp = kStart,
                                  .acknowledged = engine::Value::number(1.5),
                                  .stored = {engine::Value::count(1), engine::Value::count(2)}}};
  });
  out.str("");
  EXPECT_EQ(verify_job(options_of("p"), out, err), 1);
  EXPECT_EQ(out.str(),
            "compared 60 samples from 2026-06-26T11:00:00Z to 2026-06-26T12:00:00Z\n"
            "0 missing, 0 different, 1 that were never sent\n"
            "\n"
            "kind       sink  timestamp             acknowledged  stored  series\n"
            "different  tsdb  2026-06-26T11:00:00Z           1.5  1, 2    m{zone=\"a\"}\n");
  EXPECT_EQ(err.str(), "");
}

TEST_F(Evidence, ComparesARangeWithTooManySamplesInParts) {
  add_job("p");
  on_daemon([&](test::FakeService& service) {
    service.verify_longest = minutes{20};  // 15 m, four times
    service.report.compared = 10;
    service.report.missing = 1;
    service.report.mismatches = {{.kind = runner::Mismatch::Kind::missing,
                                  .sink = "tsdb",
                                  .series = "m",
                                  .timestamp = kStart,
                                  .acknowledged = engine::Value::count(1),
                                  .stored = {}}};
    service.report.sinks_without_read_back = {"log"};
  });
  EvidenceOptions options = options_of("p");
  options.limit = 3;
  EXPECT_EQ(verify_job(options, out, err), 1) << err.str();
  EXPECT_EQ(out.str(),
            "compared 40 samples from 2026-06-26T11:00:00Z to 2026-06-26T12:00:00Z\n"
            "not compared, since what they have cannot be read: log\n"
            "4 missing, 0 different, 0 that were never sent\n"
            "\n"
            "kind     sink  timestamp             acknowledged  stored  series\n"
            "missing  tsdb  2026-06-26T11:00:00Z             1          m\n"
            "missing  tsdb  2026-06-26T11:00:00Z             1          m\n"
            "missing  tsdb  2026-06-26T11:00:00Z             1          m\n");
  on_daemon([&](test::FakeService& service) { service.too_many_samples = true; });
  EXPECT_EQ(verify_job(options, out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("too many samples"));
  options.to = options.from;
  EXPECT_EQ(verify_job(options, out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("--from: is not before --to"));
}

TEST_F(Evidence, DoesNotCallNothingGood) {
  add_job("p");
  EXPECT_EQ(verify_job(options_of("p"), out, err), 1);
  EXPECT_THAT(out.str(), HasSubstr("nothing was compared"));
}

TEST_F(Evidence, ListsRevisionsAlsoOfAJobThatIsGone) {
  on_daemon([&](test::FakeService& service) {
    runner::Revision revision;
    revision.job_id = "gone";
    revision.series = "m";
    revision.timestamp = kStart;
    revision.sample.value = engine::Value::number(0.5);
    revision.sample.revision = 2;
    revision.sample.age = minutes{3};
    revision.policy = "consecutive:3";
    service.ledger = {revision};
    revision.timestamp = kStart + minutes{60};
    service.ledger.push_back(revision);
  });
  EXPECT_EQ(list_revisions(options_of("gone"), out, err), 0) << err.str();
  EXPECT_EQ(out.str(),
            "timestamp             revision  value  reason   age  evidence_polls  policy         series\n"
            "2026-06-26T11:00:00Z         2    0.5  settled  3m                0  consecutive:3  m\n");
  EvidenceOptions options = options_of("gone");
  options.to = "";
  options.limit = 1;
  EXPECT_EQ(list_revisions(options, out, err), 0);
  EXPECT_THAT(err.str(), HasSubstr("there are or may be more"));
  options.series = "{";
  EXPECT_EQ(list_revisions(options, out, err), 1);
}

TEST_F(Evidence, SaysThatAJobIsUnknownWhereThereIsNothingOfIt) {
  EXPECT_EQ(list_revisions(options_of("nobody"), out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("there is no job \"nobody\""));
  EXPECT_EQ(out.str(), "");
}

TEST_F(Evidence, GoesOnWhereAPageOfRevisionsEnds) {
  on_daemon([&](test::FakeService& service) {
    for (int i = 0; i < 5; ++i) {
      runner::Revision revision;
      revision.job_id = i == 3 ? "another" : "gone";
      revision.series = "m";
      revision.timestamp = kStart + minutes{i};
      revision.sample.value = engine::Value::count(10);
      service.ledger.push_back(revision);
    }
    service.ledger_at_once = 1;  // one page is empty, and not the last
  });
  EXPECT_EQ(list_revisions(options_of("gone"), out, err), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr("11:04:00Z"));
  EXPECT_EQ(out.str().find("timestamp", 1), std::string::npos) << "one table";
  EXPECT_EQ(err.str(), "");
}

TEST(EvidenceAnswers, AreRefusedWhenTheyAreSomethingElse) {
  for (const char* text : {"", "{}", "[]", R"({"gaps":[1],"revisions":[1]})", R"({"compared":1})"}) {
    EXPECT_FALSE(format_gaps(text)) << text;
    EXPECT_FALSE(format_revisions(text)) << text;
    EXPECT_FALSE(format_report(text)) << text;
  }
}

}  // namespace
}  // namespace settle::cli
