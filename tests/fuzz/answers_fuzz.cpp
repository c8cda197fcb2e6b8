// What a sink reads: answers of servers, lines of files, series texts. The first byte chooses the reader.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <protozero/pbf_reader.hpp>

#include "sinks/file_lines.hpp"
#include "sinks/remote_write/prometheus_answers.hpp"
#include "sinks/remote_write/remote_write_body.hpp"
#include "sinks/victoriametrics/victoriametrics_export.hpp"
#include "sinks/victoriametrics/victoriametrics_wire.hpp"

namespace {

using namespace settle;

/// What is not refused becomes one series with one sample, and no label is empty.
void check_write_request(std::string_view series) {
  sinks::Row row;
  row.series = std::string{series};
  if (sinks::refuse_sample(row)) return;
  const std::string body = sinks::encode_write_request({row});
  protozero::pbf_reader request{body};
  if (!request.next(1)) std::abort();
  protozero::pbf_reader message = request.get_message();
  std::size_t samples = 0;
  while (message.next()) {
    const bool is_label = message.tag() == 1;
    protozero::pbf_reader part = message.get_message();
    samples += is_label ? 0 : 1;
    while (is_label && part.next()) {
      if (part.get_view().empty()) std::abort();
    }
  }
  if (samples != 1 || request.next()) std::abort();
}

void check_lines(std::string_view lines) {
  const std::vector<std::string> series{"m{a=\"x\"}", "m"};
  sinks::LineReader reader{series, {engine::Time{}, engine::Time::max()}};
  reader.read(lines);
  for (const sinks::StoredSample& one : reader.take()) {
    if (one.series != series[0] && one.series != series[1]) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  const engine::TimeRange range{engine::Time{}, engine::from_epoch_ms(1'000'000)};
  switch (data[0]) {
    case '0':
      (void)sinks::parse_export(text);
      break;
    case '1':
      if (const auto samples = sinks::parse_raw_samples(text, range)) {
        for (const auto& [series, pairs] : *samples) {
          for (const auto& [ms, value] : pairs) {
            if (!range.contains(engine::from_epoch_ms(ms))) std::abort();
          }
        }
      }
      break;
    case '2':
      (void)sinks::parse_build_info(text);
      break;
    case '3':
      (void)sinks::parse_server_facts(text);
      (void)sinks::parse_process_start(text);
      break;
    case '4':
      check_lines(text);
      break;
    case '5':
      check_write_request(text);
      (void)sinks::plan_selectors(std::vector<std::string>{std::string{text}});
      break;
    default:
      break;
  }
  return 0;
}
