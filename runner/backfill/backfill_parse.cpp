#include "runner/backfill/backfill_parse.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>

#include <boost/json.hpp>

#include "runner/jobs/json_request.hpp"

namespace settle::runner {
namespace {

namespace json = boost::json;
using engine::Duration;
using engine::Time;

constexpr std::array<std::string_view, 5> kBackfillFields{"start", "end", "chunk", "rate", "force"};
constexpr double kRateMin = 0.001;  // samples per second: 86 a day; less is a pause
constexpr std::array<std::string_view, 3> kVerifyFields{"from", "to", "limit"};

/// `of`: "a backfill".
template <std::size_t Size>
void check_fields(JsonRequest& in, const std::array<std::string_view, Size>& fields, const std::string& of) {
  for (const auto& member : in.body()) {
    const std::string_view name{member.key().data(), member.key().size()};
    if (std::find(fields.begin(), fields.end(), name) != fields.end()) continue;
    std::string known;
    for (const std::string_view field : fields) known += (known.empty() ? "" : ", ") + std::string(field);
    return in.refuse(std::string(name), "is not a field of " + of + "; the fields are " + known);
  }
}

std::optional<Time> read_time(JsonRequest& in, const char* field) {
  constexpr const char* kExpected = "a time such as \"2026-06-26T13:57:00Z\", or epoch milliseconds";
  const json::value* value = in.body().if_contains(field);
  if (value == nullptr) {
    in.refuse(field, std::string("is missing; expected ") + kExpected);
    return std::nullopt;
  }
  const bool known = value->is_string() || value->is_int64() || value->is_uint64();
  if (!known) {
    in.refuse(field, std::string("expected ") + kExpected + "; found " + type_name(*value));
    return std::nullopt;
  }
  const std::string text = value->is_string()
                               ? std::string(value->get_string().data(), value->get_string().size())
                               : json::serialize(*value);
  const auto time = engine::parse_time(text);
  if (!time) in.refuse(field, time.error().detail);
  return time ? std::optional(*time) : std::nullopt;
}

/// [first, second), as given; what is wrong is refused.
engine::TimeRange read_times(JsonRequest& in, const char* first, const char* second) {
  const auto from = read_time(in, first);
  const auto to = read_time(in, second);
  if (in.failed()) return {};
  if (*to <= *from) {
    in.refuse(second, quoted(engine::format_time(*to)) + " is not after \"" + first + "\", " +
                          quoted(engine::format_time(*from)));
  }
  return {.from = *from, .to = *to};
}

void read_range(JsonRequest& in, BackfillRequest& request, Duration granularity) {
  const engine::TimeRange given = read_times(in, "start", "end");
  if (in.failed()) return;
  request.range = {.from = engine::ceil_to(given.from, granularity),
                   .to = engine::floor_to(given.to, granularity)};
  if (request.range.empty()) {
    return in.refuse("end", "no bucket of " + engine::format_duration(granularity) +
                                " lies wholly between start and end; expected a longer range");
  }
  if ((request.range.to - request.range.from) / granularity <= kBackfillBucketsMax) return;
  in.refuse("start", "the range holds more than " + std::to_string(kBackfillBucketsMax) +
                         " buckets; expected a shorter one, or several backfills");
}

void read_chunk(JsonRequest& in, BackfillRequest& request, Duration granularity) {
  if (!in.given("chunk")) return;
  const Duration chunk = in.duration(
      "chunk", {.absent = granularity, .least = granularity, .most = granularity * kBackfillChunkBucketsMax});
  if (in.failed()) return;
  if (chunk % granularity != Duration{}) {
    return in.refuse("chunk", quoted(engine::format_duration(chunk)) +
                                  " is not a multiple of the granularity, " +
                                  engine::format_duration(granularity));
  }
  request.chunk = chunk;
}

void read_rate(JsonRequest& in, BackfillRequest& request) {
  const json::value* value = in.body().if_contains("rate");
  if (value == nullptr) return;
  constexpr const char* kExpected = "expected samples per second, a number from 0.001 on";
  if (!value->is_number()) return in.refuse("rate", std::string(kExpected) + "; found " + type_name(*value));
  const double rate = value->to_number<double>();
  if (!std::isfinite(rate) || rate < kRateMin) {
    return in.refuse("rate", json::serialize(*value) + " is not a rate; " + kExpected);
  }
  request.rate = rate;
}

void read_force(JsonRequest& in, BackfillRequest& request) {
  const json::value* value = in.body().if_contains("force");
  if (value == nullptr) return;
  if (!value->is_bool()) return in.refuse("force", "expected true or false; found " + type_name(*value));
  request.force = value->get_bool();
}

}  // namespace

Outcome<BackfillRequest> parse_backfill(std::string_view text, Duration granularity) {
  json::object body;
  if (auto refusal = read_object(text, body)) return *std::move(refusal);
  JsonRequest in(body);
  BackfillRequest request;
  check_fields(in, kBackfillFields, "a backfill");
  read_range(in, request, granularity);
  read_chunk(in, request, granularity);
  read_rate(in, request);
  read_force(in, request);
  if (in.failed()) return in.refusal();
  return request;
}

Outcome<VerifyRequest> parse_verify(std::string_view text) {
  json::object body;
  if (auto refusal = read_object(text, body)) return *std::move(refusal);
  JsonRequest in(body);
  VerifyRequest request;
  check_fields(in, kVerifyFields, "this request");
  request.timestamps = read_times(in, "from", "to");
  if (const json::value* limit = body.if_contains("limit")) {
    const bool good = limit->is_int64() && limit->get_int64() >= 0 &&
                      limit->get_int64() <= static_cast<std::int64_t>(kVerifyLimitMax);
    if (good) request.limit = static_cast<std::size_t>(limit->get_int64());
    if (!good) {
      in.refuse("limit", json::serialize(*limit) + " is not a limit; expected 0 to " +
                             std::to_string(kVerifyLimitMax));
    }
  }
  if (in.failed()) return in.refusal();
  return request;
}

}  // namespace settle::runner
