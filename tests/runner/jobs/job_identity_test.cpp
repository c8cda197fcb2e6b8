#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "runner/jobs/job.hpp"
#include "tests/support/fake_context.hpp"

namespace settle::runner {
namespace {

using Spellings = std::vector<std::string>;

JobSpec parsed(const std::string& body) {
  const test::FakeContext context;
  auto spec = parse_job(body, context, engine::from_epoch_ms(0));
  RC_ASSERT(static_cast<bool>(spec));
  return *spec;
}

/// Each line: spellings of one field with one meaning. The first five fields are required.
const std::vector<Spellings> kFieldSpellings{
    {R"("query":"m{a=\"1\",b=~\"2\"}")", R"("query":" m{ b =~ '2', a='1' , } ")",
     R"("query":"{__name__=\"m\",b=~\"2\",a=\"1\"}")", R"("qu\u0065ry":"m{a=\"\u0031\",b=~\"2\"}")"},
    {R"("granularity":"5m")", R"("granularity":"300s")", R"("granularity" : "4m60s")"},
    {R"("source":"trace")", R"("source":"tr\u0061ce")"},
    {R"("sketch_type":"scalar")"},
    {R"("store_path":"a/b")", R"("store_path":"a\/b")"},
    {R"("finality":"fixed:5m")", R"("finality":"fixed:300s")"},
    {R"("watch":"1h30m")", R"("watch":"90m")", R"("watch":"5400s")"},
    {R"("ttl":"20m")", R"("ttl":"1200s")"},
    {R"("poll_interval":"60s")", R"("poll_interval":"1m")"},
    {R"("labels":{"x":"1","y":"2"})", R"("labels":{"y":"2","x":"1"})"},
    {R"("sinks":["log","tsdb"])", R"("sinks":["tsdb","log"])", R"("sinks":["tsdb","log","tsdb"])"},
};

/// A request: which optional fields are given, in which order, and how each is spelled.
std::string spelled(const std::vector<bool>& given) {
  std::vector<std::string> fields;
  for (std::size_t i = 0; i < kFieldSpellings.size(); ++i) {
    if (i < 5 || given[i]) fields.push_back(*rc::gen::elementOf(kFieldSpellings[i]));
  }
  if (*rc::gen::arbitrary<bool>()) fields.emplace_back(R"("valid_until":"2031-01-01T00:00:00Z")");
  for (std::size_t i = fields.size(); i > 1; --i)
    std::swap(fields[i - 1], fields[*rc::gen::inRange<std::size_t>(0, i)]);
  std::string body;
  for (const std::string& field : fields) body += (body.empty() ? "{ " : " , ") + field;
  return body + "}";
}

std::vector<bool> some_fields() {
  return *rc::gen::container<std::vector<bool>>(kFieldSpellings.size(), rc::gen::arbitrary<bool>());
}

TEST(JobIdentity, NeverDependsOnOrderSpellingOrValidUntil) {
  const bool held = rc::check("order and spelling", [] {
    const std::vector<bool> given = some_fields();
    const JobSpec one = parsed(spelled(given));
    const JobSpec other = parsed(spelled(given));
    RC_ASSERT(one.identity == other.identity);
    RC_ASSERT(stream_identity(one) == stream_identity(other));
  });
  EXPECT_TRUE(held);
}

TEST(JobIdentity, TellsRequestsApartThatGiveOtherFields) {
  const bool held = rc::check("other fields", [] {
    const std::vector<bool> given = some_fields();
    std::vector<bool> other = given;
    const auto flipped = *rc::gen::inRange<std::size_t>(5, kFieldSpellings.size());
    other[flipped] = !other[flipped];
    RC_ASSERT(parsed(spelled(given)).identity != parsed(spelled(other)).identity);
  });
  EXPECT_TRUE(held);
}

TEST(JobIdentity, TellsApartWhatWouldEmitOtherSamplesElsewhere) {
  const std::string base =
      R"({"query":"m","granularity":"1m","source":"trace","sketch_type":"scalar","store_path":"p")";
  const JobSpec plain = parsed(base + "}");
  for (const char* more :
       {R"(,"record":"r")", R"(,"labels":{"a":"b"})", R"(,"sink":"log")", R"(,"timestamp":"end")",
        R"(,"poll_interval":"30s")", R"(,"output":"counter")", R"(,"absent":"none")"}) {
    EXPECT_NE(parsed(base + more + "}").identity, plain.identity) << more;
  }
}

TEST(StreamIdentity, IsSharedByJobsThatOnlyNameOrSendOtherwise) {
  const std::string base =
      R"({"query":"m","granularity":"1m","source":"trace","sketch_type":"scalar","store_path":)";
  const std::string plain = stream_identity(parsed(base + R"("p"})"));
  for (const char* more :
       {R"("q"})", R"("p","record":"r"})", R"("p","labels":{"a":"b"}})", R"("p","sink":"log"})",
        R"("p","timestamp":"end"})", R"("p","poll_interval":"30s"})", R"("p","watch":"30m"})",
        R"("p","valid_until":"2031-01-01T00:00:00Z"})"}) {
    EXPECT_EQ(stream_identity(parsed(base + more)), plain) << more;
  }
  for (const char* more :
       {R"("p","output":"counter"})", R"("p","corrections":"hold"})", R"("p","sink":"tsdb"})",
        R"("p","watch":"31m"})", R"("p","finality":"fixed:5m"})", R"("p","absent":"zero"})"}) {
    EXPECT_NE(stream_identity(parsed(base + more)), plain) << more;
  }
}

}  // namespace
}  // namespace settle::runner
