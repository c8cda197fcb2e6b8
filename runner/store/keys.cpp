#include "runner/store/keys.hpp"

#include <cassert>

namespace settle::runner {

namespace {

// Flipped, negative numbers sort before the others.
constexpr std::uint64_t kSign = std::uint64_t{1} << 63;

void append_u64(std::string& key, std::uint64_t n) {
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>((n >> shift) & 0xff));
}

void append_name(std::string& key, std::string_view name) {
  key.append(name);
  key.push_back('\0');
}

}  // namespace

std::string key_u64(std::uint64_t n) {
  std::string key;
  append_u64(key, n);
  return key;
}

std::uint64_t read_u64(std::string_view eight_bytes) {
  assert(eight_bytes.size() == 8);
  std::uint64_t n = 0;
  for (const char c : eight_bytes) n = (n << 8) | static_cast<std::uint8_t>(c);
  return n;
}

std::string key_time(engine::Time at) {
  return key_u64(static_cast<std::uint64_t>(engine::epoch_ms(at)) ^ kSign);
}

engine::Time read_key_time(std::string_view eight_bytes) {
  return engine::from_epoch_ms(static_cast<std::int64_t>(read_u64(eight_bytes) ^ kSign));
}

std::string key_of(std::string_view tenant, std::string_view id) {
  std::string key;
  key.reserve(tenant.size() + id.size() + 2);
  append_name(key, tenant);
  append_name(key, id);
  return key;
}

std::string series_key(std::string_view tenant, std::string_view stream, engine::SeriesNumber n) {
  std::string key = key_of(tenant, stream);
  append_u64(key, n);
  return key;
}

std::string gap_key(std::string_view tenant, std::string_view stream, engine::Time from,
                    std::string_view scope) {
  std::string key = key_of(tenant, stream);
  // The sign bit is flipped so that instants before 1970 sort before those after it.
  key += key_time(from);
  key.append(scope);
  return key;
}

std::string part_suffix(std::string_view tenant, std::string_view id, std::uint16_t part) {
  std::string key = key_of(tenant, id);
  key.push_back(static_cast<char>(part >> 8));
  key.push_back(static_cast<char>(part & 0xff));
  return key;
}

std::string prefix_end(std::string_view prefix) {
  std::string end{prefix};
  while (!end.empty() && static_cast<std::uint8_t>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<std::uint8_t>(end.back()) + 1);
  return end;
}

}  // namespace settle::runner
