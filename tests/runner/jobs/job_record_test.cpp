#include "runner/jobs/job_record.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_context.hpp"

namespace settle::runner {
namespace {

using std::chrono::minutes;
using ::testing::HasSubstr;

JobSpec spec_of(const std::string& more = "") {
  const test::FakeContext context;
  auto spec = parse_job(R"({"query":"m{b=\"x\\n\",a!=\"y\"}","granularity":"1m","source":"trace",)"
                        R"("sketch_type":"scalar","store_path":"p/q")" +
                            more + "}",
                        context, engine::from_epoch_ms(0));
  EXPECT_TRUE(spec) << spec.refusal().detail;
  return *spec;
}

TEST(JobRecord, ReadsBackEverythingInForceWithoutTheConfiguration) {
  const JobSpec spec = spec_of(
      R"(,"valid_until":"2030-01-01T00:00:00Z","finality":"fixed:5m","watch":"1h","ttl":"20m","poll_interval":"30s",
          "output":"counter","absent":"zero","timestamp":"end","corrections":"hold","sinks":["tsdb","log"],
          "record":"r","labels":{"z":"1","a":"\""})");
  const auto read = parse_job_record(job_record_json(spec));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->query, spec.query);
  EXPECT_EQ(read->selector.text(), spec.selector.text());
  EXPECT_EQ(read->source, spec.source);
  EXPECT_EQ(read->sketch_type, spec.sketch_type);
  EXPECT_EQ(read->store_path, spec.store_path);
  EXPECT_EQ(read->valid_until, spec.valid_until);
  EXPECT_EQ(read->poll_interval, spec.poll_interval);
  EXPECT_EQ(read->timestamp, spec.timestamp);
  EXPECT_EQ(read->sinks, spec.sinks);
  EXPECT_EQ(read->record, spec.record);
  EXPECT_EQ(read->labels, spec.labels);
  EXPECT_EQ(read->engine, spec.engine);
  EXPECT_EQ(read->identity, spec.identity);
  EXPECT_EQ(job_record_json(*read), job_record_json(spec));
}

TEST(JobRecord, ReadsBackTheRarerPolicies) {
  for (const char* more :
       {R"(,"sink":"larger","values":"growing")", R"(,"sink":"tsdb","corrections":"ledger")",
        R"(,"finality":"learned","error_target":"2%","tolerance":0.01)"}) {
    const JobSpec spec = spec_of(more);
    const auto read = parse_job_record(job_record_json(spec));
    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_EQ(read->engine, spec.engine) << more;
    EXPECT_EQ(read->values, spec.values) << more;
    EXPECT_EQ(stream_identity(*read), stream_identity(spec)) << more;
  }
}

TEST(JobRecord, KeepsADefaultThatWasInForceWhenTheJobWasMade) {
  const JobSpec spec = spec_of();
  const auto read = parse_job_record(job_record_json(spec));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->engine.series_max, 1000U);  // of the configuration then, whatever it says now
  EXPECT_EQ(read->engine.liveness, engine::Liveness::frontier);
  EXPECT_FALSE(read->valid_until);
}

TEST(JobRecord, SaysWhatIsWrongWithARecordItCannotRead) {
  const std::string good = job_record_json(spec_of());
  EXPECT_THAT(parse_job_record("nothing").error().detail, HasSubstr("not a JSON object"));
  std::string newer = good;
  newer.replace(newer.find("\"v\":1"), 5, "\"v\":9");
  EXPECT_EQ(parse_job_record(newer).error().kind, engine::ErrorKind::corrupt);
  EXPECT_THAT(parse_job_record(newer).error().detail, HasSubstr("version 9"));
  for (const char* member : {"query", "source", "finality", "granularity_ms", "output", "watch_ms",
                             "store_path", "sinks", "labels", "identity", "timestamp"}) {
    std::string without = good;
    without.replace(without.find("\"" + std::string(member) + "\":") + 1, 1, "X");
    const auto read = parse_job_record(without);
    ASSERT_FALSE(read) << member;
    EXPECT_THAT(read.error().detail, HasSubstr(member));
  }
}

TEST(JobRecord, OfAWholeJobReadsBack) {
  const Job job{.tenant = "t",
                .id = "0123",
                .stream_id = "4567",
                .spec = spec_of(),
                .origin = Origin::config,
                .created_at = engine::from_epoch_ms(1'782'482'220'123),
                .epoch = 7};
  const auto read = decode_job("t", "0123", encode_job(job));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->stream_id, "4567");
  EXPECT_EQ(read->origin, Origin::config);
  EXPECT_EQ(read->created_at, job.created_at);
  EXPECT_EQ(read->epoch, 7U);
  EXPECT_EQ(encode_job(*read), encode_job(job));
}

TEST(StreamRecord, ReadsBackWithItsViewsAndItsRest) {
  const std::string identity = stream_identity(spec_of());
  const auto viewed =
      decode_stream(encode_stream({.identity = identity, .views = {{"a", 1}, {"b", 9}}, .rests_until = {}}));
  ASSERT_TRUE(viewed) << viewed.error().detail;
  EXPECT_EQ(viewed->identity, identity);
  ASSERT_EQ(viewed->views.size(), 2U);
  EXPECT_EQ(viewed->views[1].job_id, "b");
  EXPECT_EQ(viewed->views[1].epoch, 9U);
  EXPECT_FALSE(viewed->rests_until);
  const auto resting = decode_stream(
      encode_stream({.identity = identity, .views = {}, .rests_until = engine::from_epoch_ms(5)}));
  ASSERT_TRUE(resting);
  EXPECT_TRUE(resting->views.empty());
  EXPECT_EQ(resting->rests_until, engine::from_epoch_ms(5));
}

TEST(StreamIdentity, ReadsBackAsWhatAStreamIs) {
  const JobSpec spec = spec_of(R"(,"finality":"fixed:90s","output":"counter")");
  const auto stream = parse_stream_identity(stream_identity(spec));
  ASSERT_TRUE(stream) << stream.error().detail;
  EXPECT_EQ(stream->source, spec.source);
  EXPECT_EQ(stream->selector.text(), spec.selector.text());
  EXPECT_EQ(stream->engine, spec.engine);
}

}  // namespace
}  // namespace settle::runner
