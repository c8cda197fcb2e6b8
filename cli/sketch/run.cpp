#include "cli/sketch/run.hpp"

#include <algorithm>
#include <fstream>
#include <istream>
#include <iterator>
#include <optional>
#include <ostream>

#include "cli/sketch/describe.hpp"
#include "cli/sketch/encode.hpp"
#include "engine/model/value.hpp"

namespace settle::cli {
namespace {

constexpr std::size_t kFileMost = std::size_t{1} << 28;  // no sketch within the bounds takes more

int fail(const Streams& streams, std::string_view verb, const std::string& detail, int code = 1) {
  streams.err << "settle sketch " << verb << ": " << detail << '\n';
  return code;
}

/// Nothing if it cannot be read; more than kFileMost is cut, which is seen by its size.
std::optional<std::string> read_file(const std::string& file, std::istream& standard_input) {
  std::ifstream opened;
  if (file != "-") {
    opened.open(file, std::ios::binary);
    if (!opened) return std::nullopt;
  }
  std::istream& in = file == "-" ? standard_input : opened;
  std::string bytes;
  std::string block(std::size_t{1} << 16, '\0');
  while (bytes.size() <= kFileMost && in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    bytes.append(block, 0, static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad() || (in.fail() && !in.eof())) return std::nullopt;
  return bytes;
}

std::string name_of(const std::string& file) {
  return file == "-" ? "standard input" : file;
}

std::string cannot_read(const std::string& file) {
  return "cannot read \"" + file + "\": is it there, a file, and readable?";
}

bool write_file(const std::string& file, const std::string& bytes, std::ostream& standard_output) {
  if (file == "-")
    return bool{standard_output.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()};
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  return bool{out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush()};
}

std::string family_line(const sketch::Accumulator& held) {
  std::string text{kind_text(held)};
  const auto number = [](double value) { return engine::format_value(engine::Value::number(value)); };
  if (const auto* ddsketch = std::get_if<sketch::DDSketch>(&held))
    text += ", count " + number(ddsketch->count());
  if (const auto* hll = std::get_if<sketch::Hll>(&held))
    text += ", estimate " + number(hll->answer().estimate);
  if (const auto* items = std::get_if<sketch::FrequentItems>(&held)) {
    text += ", total weight " + number(items->total());
  }
  if (const auto* matrix = std::get_if<sketch::CountMin>(&held);
      matrix != nullptr && matrix->matrix().has_shape()) {
    text += ", total weight " + number(matrix->total());
  }
  return text;
}

/// Of sketches of one kind that do not fit: what to do.
std::string advice(const sketch::Accumulator& merged, const sketch::Accumulator& next) {
  if (merged.index() != next.index()) return "";
  if (std::holds_alternative<sketch::DDSketch>(next)) {
    return "; bins of different mappings do not add: let the producers use one accuracy";
  }
  if (std::holds_alternative<sketch::Hll>(next)) {
    return "; programs that hash otherwise count the same item twice: merge those of one program";
  }
  if (std::holds_alternative<sketch::Stats>(next)) {
    return "; --along series adds those of several series at the same time";
  }
  return "; let the producers use one width, depth, hashing and seed";
}

/// What the sources did not share, and what was made of it.
void compare_parameters(const std::vector<sketch::Accumulator>& sources, MergedSketch& merged) {
  if (const auto* ddsketch = std::get_if<sketch::DDSketch>(&merged.sketch)) {
    if (has(ddsketch->degraded(), sketch::Degraded::mixed_gamma)) {
      merged.said.push_back("the sources are of different scales: all were brought to the coarsest, scale " +
                            std::to_string(ddsketch->scale().value_or(0)));
    }
  }
  if (const auto* hll = std::get_if<sketch::Hll>(&merged.sketch)) {
    unsigned most = 0;
    bool hip = false;
    for (const sketch::Accumulator& source : sources) {
      if (const auto* one = std::get_if<sketch::Hll>(&source)) {
        if (one->has_kind()) most = std::max(most, one->precision());
        hip = hip || one->hip();
      }
    }
    if (hll->precision() < most) {
      merged.said.push_back("the sources are of different precision, up to " + std::to_string(most) +
                            ": the smallest of those with registers holds, " +
                            std::to_string(hll->precision()));
    }
    if (hip && !hll->hip()) {
      merged.said.emplace_back(
          "a source's HIP estimate holds for that source alone: the estimate is Ertl's from the registers");
    }
  }
}

}  // namespace

int inspect_sketch(const InspectArguments& arguments, Streams streams) {
  const auto reading = parse_blob_options(arguments.blob);
  if (!reading) return fail(streams, "inspect", reading.error().detail, 2);
  const auto bytes = read_file(arguments.file, streams.in);
  if (!bytes) return fail(streams, "inspect", cannot_read(arguments.file), 2);
  if (bytes->size() > kFileMost)
    return fail(streams, "inspect", name_of(arguments.file) + ": more than 256 MiB");
  const auto read = read_sketch(*bytes, *reading);
  if (!read) return fail(streams, "inspect", name_of(arguments.file) + ": " + read.error().detail);
  if (!read->hint.empty()) streams.err << "note: " << name_of(arguments.file) << ": " << read->hint << '\n';
  streams.out << describe(*read, arguments.items_max) << std::flush;
  return streams.out ? 0 : fail(streams, "inspect", "cannot write standard output");
}

engine::Result<MergedSketch> merge_blobs(const std::vector<NamedBytes>& blobs, const Reading& reading,
                                         sketch::Along along) {
  MergedSketch merged;
  std::vector<sketch::Accumulator> sources;
  std::optional<codec::Format> format;
  bool one_format = true;
  for (const NamedBytes& blob : blobs) {
    auto read = read_sketch(blob.bytes, reading);
    if (!read) return engine::refused(blob.name + ": " + read.error().detail);
    if (!read->hint.empty()) merged.said.push_back(blob.name + ": " + read->hint);
    one_format = one_format && (!format || *format == read->settings.format);
    format = read->settings.format;
    if (auto one = merge(merged.sketch, read->sketch, along); !one) {
      return engine::refused(blob.name + " does not fit what is before it: " + one.error().detail +
                             advice(merged.sketch, read->sketch) + "; nothing was written");
    }
    sources.push_back(std::move(read->sketch));
  }
  if (format && one_format && is_written(*format)) merged.format = *format;
  compare_parameters(sources, merged);
  return merged;
}

int merge_sketches(const MergeArguments& arguments, Streams streams) {
  const auto reading = parse_blob_options(arguments.blob);
  if (!reading) return fail(streams, "merge", reading.error().detail, 2);
  if (arguments.along != "time" && arguments.along != "series") {
    return fail(streams, "merge", "--along is time or series, not \"" + arguments.along + "\"", 2);
  }
  std::optional<codec::Format> to;
  if (!arguments.to.empty()) {
    const auto parsed = parse_written_format(arguments.to);
    if (!parsed) return fail(streams, "merge", parsed.error().detail, 2);
    to = *parsed;
  }
  std::vector<NamedBytes> blobs;
  for (const std::string& file : arguments.files) {
    auto bytes = read_file(file, streams.in);
    if (!bytes) return fail(streams, "merge", cannot_read(file), 2);
    if (bytes->size() > kFileMost) return fail(streams, "merge", name_of(file) + ": more than 256 MiB");
    blobs.push_back({name_of(file), *std::move(bytes)});
  }
  const auto merged =
      merge_blobs(blobs, *reading, arguments.along == "time" ? sketch::Along::time : sketch::Along::series);
  if (!merged) return fail(streams, "merge", merged.error().detail);
  const codec::Format format = to.value_or(merged->format);
  const auto encoded = encode(merged->sketch, format);
  if (!encoded) return fail(streams, "merge", encoded.error().detail);
  if (!write_file(arguments.out_file, *encoded, streams.out)) {
    return fail(streams, "merge", "cannot write \"" + arguments.out_file + "\"");
  }
  std::ostream& say = arguments.out_file == "-" ? streams.err : streams.out;
  say << "merged " << blobs.size() << (blobs.size() == 1 ? " sketch: " : " sketches: ")
      << family_line(merged->sketch) << "; " << encoded->size() << " bytes of " << codec::format_text(format);
  say << (arguments.out_file == "-" ? "" : " in " + arguments.out_file) << '\n';
  for (const std::string& line : merged->said) streams.err << "note: " << line << '\n';
  if (const std::string lost = left_out(merged->sketch, format); !lost.empty()) {
    streams.err << "note: " << codec::format_text(format) << " has no place for " << lost
                << "; --to cell keeps all\n";
  }
  if (reading->settings.bin_rule == codec::BinRule::ceil &&
      std::holds_alternative<sketch::DDSketch>(merged->sketch)) {
    streams.err
        << "note: the result has floor bins, as all that is written here: read it without --bin-rule ceil\n";
  }
  return 0;
}

int build_sketch(const BuildArguments& arguments, Streams streams) {
  const auto to = parse_written_format(arguments.to);
  if (!to) return fail(streams, "build", to.error().detail, 2);
  std::ifstream opened;
  if (arguments.in_file != "-") {
    opened.open(arguments.in_file, std::ios::binary);
    if (!opened) return fail(streams, "build", cannot_read(arguments.in_file), 2);
  }
  const auto built = build(arguments.build, arguments.in_file == "-" ? streams.in : opened);
  if (!built) return fail(streams, "build", built.error().detail);
  const auto encoded = encode(*built, *to);
  if (!encoded) return fail(streams, "build", encoded.error().detail);
  if (!write_file(arguments.out_file, *encoded, streams.out)) {
    return fail(streams, "build", "cannot write \"" + arguments.out_file + "\"");
  }
  if (const std::string lost = left_out(*built, *to); !lost.empty()) {
    streams.err << "note: " << codec::format_text(*to) << " has no place for " << lost
                << "; --to cell keeps all\n";
  }
  if (arguments.out_file != "-") {
    streams.out << family_line(*built) << "; " << encoded->size() << " bytes of " << codec::format_text(*to)
                << " in " << arguments.out_file << '\n';
  }
  return 0;
}

}  // namespace settle::cli
