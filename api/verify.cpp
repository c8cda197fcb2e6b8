// What a job's sinks have, compared with what they acknowledged.
#include <string>
#include <utility>

#include "api/endpoints.hpp"
#include "api/json_writer.hpp"
#include "api/problem.hpp"
#include "runner/backfill/backfill_parse.hpp"

namespace settle::api {
namespace {

namespace asio = boost::asio;
using runner::Mismatch;

std::string_view kind_text(Mismatch::Kind kind) {
  switch (kind) {
    case Mismatch::Kind::missing:
      return "missing";
    case Mismatch::Kind::different:
      return "different";
    case Mismatch::Kind::extra:
      return "extra";
  }
  return "unknown";
}

void write_mismatch(JsonWriter& out, const Mismatch& mismatch) {
  out.begin_object().member("kind", kind_text(mismatch.kind)).member("sink", mismatch.sink);
  out.member("series", mismatch.series).member("timestamp", mismatch.timestamp).key("acknowledged");
  mismatch.acknowledged ? out.value(*mismatch.acknowledged) : out.null();
  out.key("stored").begin_array();
  for (const engine::Value& value : mismatch.stored) out.value(value);
  out.end_array().end_object();
}

net::ServerResponse report_response(const std::string& job_id, const runner::VerifyReport& report) {
  JsonWriter out;
  out.begin_object().member("job_id", job_id);
  out.member("from", report.timestamps.from).member("to", report.timestamps.to);
  out.member("compared", report.compared).member("waiting", report.waiting);
  out.member("refused", report.refused);
  out.member("missing", report.missing).member("different", report.different).member("extra", report.extra);
  out.key("mismatches").begin_array();
  for (const Mismatch& mismatch : report.mismatches) write_mismatch(out, mismatch);
  out.end_array().key("sinks_without_read_back").begin_array();
  for (const std::string& sink : report.sinks_without_read_back) out.text(sink);
  out.end_array().end_object();
  net::ServerResponse response;
  response.body = out.take();
  return response;
}

}  // namespace

asio::awaitable<net::ServerResponse> verify(runner::Service* service, std::string job_id,
                                            net::ServerRequest request) {
  if (service->find_job(service->tenant(), job_id) == nullptr) co_return unknown_job(job_id);
  const auto asked = runner::parse_verify(request.body);
  if (!asked) co_return refusal_response(asked.refusal());
  const auto report = co_await service->verify(service->tenant(), job_id, asked->timestamps, asked->limit);
  if (!report) co_return refusal_response(report.refusal());
  co_return report_response(job_id, *report);
}

}  // namespace settle::api
