#include "fetchers/trace_sketch.hpp"

#include <string>
#include <variant>
#include <vector>

#include <openssl/evp.h>

#include "engine/codec/cell/frame.hpp"
#include "engine/codec/codec.hpp"

namespace settle::fetchers {

namespace {

constexpr std::size_t kBase64BytesMax = std::size_t{64} << 20;

engine::Result<std::string> decode_base64(std::string_view text) {
  constexpr std::size_t kQuantum = 4;
  if (text.size() % kQuantum != 0 || text.size() > kBase64BytesMax) {
    return engine::refused("is no base64: expected whole groups of 4 characters, at most 64 MiB");
  }
  std::string bytes(text.size() / kQuantum * 3, '\0');
  const int length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (length < 0 || static_cast<std::size_t>(length) != bytes.size()) {
    return engine::refused("is no base64");
  }
  std::size_t padding = 0;
  while (padding < 2 && text.size() > padding && text[text.size() - 1 - padding] == '=') ++padding;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace

engine::Result<engine::Blob> parse_trace_sketch(std::string_view base64, std::string_view format,
                                                std::string_view bin_rule) {
  codec::Settings settings{.format = codec::Format::cell};
  if (!format.empty()) {
    const auto known = codec::parse_format(format);
    if (!known) return engine::refused("the format '" + std::string{format} + "' is not known");
    settings.format = *known;
  }
  if (bin_rule == "ceil") {
    settings.bin_rule = codec::BinRule::ceil;
  } else if (!bin_rule.empty() && bin_rule != "floor") {
    return engine::refused("the bin rule '" + std::string{bin_rule} +
                           "' is not known; expected floor or ceil");
  }
  auto bytes = decode_base64(base64);
  if (!bytes) return bytes.error();
  sketch::Accumulator sketch;
  if (auto merged = codec::merge(sketch, *bytes, settings); !merged) return merged.error();
  if (std::holds_alternative<std::monostate>(sketch)) {
    return engine::refused("holds nothing; leave the line out, or give \"value\": null");
  }
  return engine::Blob{codec::encode_cell(sketch)};
}

}  // namespace settle::fetchers
