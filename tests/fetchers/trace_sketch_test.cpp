// Sketches in traces: read in any encoding, given out as canonical frames.
#include <gtest/gtest.h>

#include "engine/codec/cell/frame.hpp"
#include "engine/sketch/accumulator.hpp"
#include "fetchers/trace.hpp"

namespace settle::fetchers {
namespace {

using engine::from_epoch_ms;

// One value, by DataDog's Go library, as protobuf and in its own binary form.
const std::string kProto = "CgkJ/UqBWr9S8D8SDRIIAAAAAAAA8D8Y9gIaAA==";
const std::string kBinary = "Av1KgVq/UvA/AAAAAAAAAAAFAfYCAg==";

std::string line(const std::string& what) {
  return R"({"at": 60000, "series": {"__name__": "m"}, "bucket": 0, )" + what + "}\n";
}

std::string sketch(const std::string& text, const std::string& format) {
  return R"("sketch": ")" + text + R"(", "format": ")" + format + '"';
}

engine::Answer answer_of(const std::string& text) {
  auto trace = parse_trace(text, "t.jsonl");
  EXPECT_TRUE(trace) << trace.error().detail;
  const TraceHistory history{*std::move(trace), "t"};
  return history.answer_at({from_epoch_ms(0), from_epoch_ms(60'000)}, *engine::parse_selector("m"),
                           from_epoch_ms(120'000));
}

std::string why_not(const std::string& text) {
  const auto trace = parse_trace(text, "t.jsonl");
  return trace ? "it was read" : trace.error().detail;
}

TEST(TraceSketch, IsGivenOutAsAFrameWithItsFingerprintAsTheValue) {
  const engine::Answer answer = answer_of(line(sketch(kProto, "ddsketch-proto")));
  ASSERT_EQ(answer.scopes.at(0).rows.size(), 1u);
  ASSERT_EQ(answer.scopes[0].sketches.size(), 1u);
  const engine::Blob& blob = answer.scopes[0].sketches[0];
  EXPECT_EQ(answer.scopes[0].rows[0].value, engine::fingerprint(blob));
  sketch::Accumulator read;
  ASSERT_TRUE(codec::merge_cell(read, blob.bytes()));
  ASSERT_TRUE(std::holds_alternative<sketch::DDSketch>(read));
  EXPECT_EQ(std::get<sketch::DDSketch>(read).count(), 1);
}

TEST(TraceSketch, OfEqualContentIsEqualInWhateverEncoding) {
  const engine::Answer one = answer_of(line(sketch(kProto, "ddsketch-proto")));
  const engine::Answer other = answer_of(line(sketch(kBinary, "ddsketch-binary")));
  EXPECT_EQ(one.scopes.at(0).rows.at(0).value, other.scopes.at(0).rows.at(0).value);
  EXPECT_EQ(one.scopes[0].sketches.at(0), other.scopes[0].sketches.at(0));
}

TEST(TraceSketch, StandsBesideNumbersByRow) {
  const engine::Answer answer =
      answer_of(R"({"at": 60000, "series": {"__name__": "m", "a": "1"}, "bucket": 0, "value": 5})"
                "\n" +
                line(sketch(kProto, "ddsketch-proto")));
  ASSERT_EQ(answer.scopes.at(0).rows.size(), 2u);
  ASSERT_EQ(answer.scopes[0].sketches.size(), 2u);
  for (std::size_t at = 0; at < 2; ++at) {
    const bool is_number = answer.scopes[0].rows[at].series != "m";
    EXPECT_EQ(answer.scopes[0].sketches[at].empty(), is_number);
  }
}

TEST(TraceSketch, DisappearsAsARowDoes) {
  const engine::Answer answer =
      answer_of(line(sketch(kProto, "ddsketch-proto")) +
                R"({"at": 90000, "series": {"__name__": "m"}, "bucket": 0, "value": null})");
  EXPECT_TRUE(answer.scopes.at(0).rows.empty());
}

TEST(TraceSketch, SaysWhatIsWrong) {
  EXPECT_EQ(why_not(line(R"("sketch": "abc")")),
            "t.jsonl:1: 'sketch': is no base64: expected whole groups of 4 characters, at most 64 MiB");
  EXPECT_EQ(why_not(line(R"("sketch": "****")")), "t.jsonl:1: 'sketch': is no base64");
  EXPECT_EQ(why_not(line(sketch(kProto, "hll"))), "t.jsonl:1: 'sketch': the format 'hll' is not known");
  EXPECT_EQ(why_not(line(R"("sketch": "", "format": "ddsketch-proto")")),
            "t.jsonl:1: 'sketch': holds nothing; leave the line out, or give \"value\": null");
  EXPECT_EQ(why_not(line(R"("sketch": 5)")), "t.jsonl:1: 'sketch': expected a text");
  EXPECT_EQ(why_not(line(R"("sketch": "", "value": 5)")),
            "t.jsonl:1: the field 'value' does not belong here");
  EXPECT_EQ(why_not(line(R"("value": 5, "format": "cell")")),
            "t.jsonl:1: the field 'format' does not belong here");
  EXPECT_EQ(why_not(line(R"("sketch": "", "bin_rule": "round")")),
            "t.jsonl:1: 'sketch': the bin rule 'round' is not known; expected floor or ceil");
  EXPECT_NE(why_not(line(sketch(kProto.substr(0, 8), "ddsketch-proto"))), "it was read");
}

}  // namespace
}  // namespace settle::fetchers
