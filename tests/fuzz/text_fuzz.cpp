// The parsers of texts from outside. The first byte chooses one; what it accepts must be canonical once
// written.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/finality/finality.hpp"
#include "engine/model/series.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "engine/promql/parser.hpp"
#include "engine/promql/selector.hpp"

namespace {

template <class Parse, class Format>
void check(std::string_view text, Parse parse, Format format) {
  const auto first = parse(text);
  if (!first) return;
  const std::string written = format(*first);
  const auto again = parse(written);
  if (!again || format(*again) != written) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace settle::engine;
  if (size == 0) return 0;
  const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  switch (data[0]) {
    case '0':
      check(text, parse_series, series_text);
      break;
    case '1':
      check(text, parse_selector, [](const Selector& read) { return read.text(); });
      break;
    case '2':
      check(text, parse_time, format_time);
      break;
    case '3':
      check(text, parse_duration, format_duration);
      break;
    case '4':
      check(text, parse_value, [](const Value& read) { return format_value(read); });
      break;
    case '5':
      check(text, parse_finality, format_finality);
      break;
    case '6':
      check(text, parse_job_query, [](const JobQuery& read) { return read.text(); });
      break;
    default:
      break;
  }
  return 0;
}
