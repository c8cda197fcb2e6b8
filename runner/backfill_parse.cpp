#include "runner/backfill_parse.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>

#include <boost/json.hpp>

#include "runner/json_request.hpp"

namespace settle::runner {
namespace {

namespace json = boost::json;
using engine::Duration;
using engine::Time;

constexpr std::array kFields{"start", "end", "chunk", "rate", "force"};

void check_fields(JsonRequest& in) {
  for (const auto& member : in.body()) {
    const std::string_view name{member.key().data(), member.key().size()};
    if (std::find(kFields.begin(), kFields.end(), name) != kFields.end()) continue;
    return in.refuse(std::string(name),
                     "is not a field of a backfill; the fields are start, end, chunk, rate and force");
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

void read_range(JsonRequest& in, BackfillRequest& request, Duration granularity) {
  const auto start = read_time(in, "start");
  const auto end = read_time(in, "end");
  if (in.failed()) return;
  if (*end <= *start) {
    return in.refuse("end", quoted(engine::format_time(*end)) + " is not after the start, " +
                                quoted(engine::format_time(*start)));
  }
  request.range = {.from = engine::ceil_to(*start, granularity), .to = engine::floor_to(*end, granularity)};
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
  constexpr const char* kExpected = "expected samples per second, a number above 0";
  if (!value->is_number()) return in.refuse("rate", std::string(kExpected) + "; found " + type_name(*value));
  const double rate = value->to_number<double>();
  if (!std::isfinite(rate) || rate <= 0) {
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
  check_fields(in);
  read_range(in, request, granularity);
  read_chunk(in, request, granularity);
  read_rate(in, request);
  read_force(in, request);
  if (in.failed()) return in.refusal();
  return request;
}

}  // namespace settle::runner
