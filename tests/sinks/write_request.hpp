// tests/sinks/write_request.hpp: reads remote write bodies, as a receiver does; only tests decode them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <protozero/pbf_reader.hpp>
#include <snappy.h>
#include <zstd.h>

namespace settle::sinks {

struct ReadSeries {
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<std::pair<std::int64_t, double>> samples;
};

/// Throws what protozero throws when the bytes are not a WriteRequest.
inline std::vector<ReadSeries> decode_write_request(const std::string& bytes) {
  std::vector<ReadSeries> all;
  protozero::pbf_reader request{bytes};
  while (request.next(1)) {
    ReadSeries one;
    protozero::pbf_reader series = request.get_message();
    while (series.next()) {
      const auto field = series.tag();
      protozero::pbf_reader part = series.get_message();
      if (field == 1) {
        auto& [name, value] = one.labels.emplace_back();
        while (part.next()) {
          const bool is_name = part.tag() == 1;
          (is_name ? name : value) = part.get_string();
        }
      } else {
        auto& [ms, value] = one.samples.emplace_back();
        while (part.next()) {
          if (part.tag() == 1) {
            value = part.get_double();
          } else {
            ms = part.get_int64();
          }
        }
      }
    }
    all.push_back(std::move(one));
  }
  return all;
}

inline std::optional<std::string> uncompress_snappy(const std::string& bytes) {
  std::string out;
  if (!snappy::Uncompress(bytes.data(), bytes.size(), &out)) return std::nullopt;
  return out;
}

inline std::optional<std::string> uncompress_zstd(const std::string& bytes) {
  const auto size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) return std::nullopt;
  std::string out(size, '\0');
  const std::size_t got = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0 || got != size) return std::nullopt;
  return out;
}

}  // namespace settle::sinks
