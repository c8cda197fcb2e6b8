#include "cli/sketch/commands.hpp"

#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "cli/sketch/run.hpp"

namespace settle::cli {
namespace {

using Action = std::function<int()>;

constexpr const char* kFormats =
    "FORMAT is one of\n"
    "  quantiles      ddsketch-proto, ddsketch-binary (DataDog's libraries), otlp-exphistogram\n"
    "  distinct       datasketches-hll, redis-hll (GET of a PFADD key), postgresql-hll\n"
    "  heavy hitters  datasketches-frequent-items, datasketches-count-min, asapquery\n"
    "  several        asap-envelope, asap-delta, asap-v1, cell (Settle's own: docs/formats/cell.md)\n"
    "  statistics     stats (Settle's own count, sum, min, max, first, last, increase)\n"
    "Without it the format is detected. Bytes that several can read are refused, and named.\n"
    "A file of hexadecimal text is read as the bytes it stands for.";

constexpr const char* kExitCodes =
    "\nExit codes: 0 done; 1 not a good sketch, or sketches that do not fit; 2 bad usage or unreadable file.";

Streams standard_streams() {
  return {.in = std::cin, .out = std::cout, .err = std::cerr};
}

/// Bytes would only make a mess of a terminal.
int refuse_terminal(const char* verb) {
  std::cerr << "settle sketch " << verb
            << ": a sketch is bytes, and standard output is a terminal: name a file by --out, or pipe it\n";
  return 2;
}

bool is_terminal(const std::string& out_file) {
  return out_file == "-" && isatty(STDOUT_FILENO) == 1;
}

/// What bytes do not say of themselves.
void add_blob_options(CLI::App* command, BlobOptions& blob) {
  command->add_option("--format", blob.format, "The encoding; detected where the bytes leave no doubt")
      ->type_name("FORMAT");
  command
      ->add_option(
          "--bin-rule", blob.bin_rule,
          "Of DDSketches: floor (Go, Java, ASAP) or ceil (JavaScript, Python). The bytes do not say; "
          "the wrong one is off by one bin")
      ->type_name("floor|ceil")
      ->capture_default_str();
  command
      ->add_option("--accuracy", blob.accuracy,
                   "Of ddsketch-binary and asap-delta that leave their mapping out, such as 0.01")
      ->type_name("SHARE");
  command->add_option("--kind", blob.kind, "What asap-delta and asapquery hold, such as count-min")
      ->type_name("KIND");
  command->add_option("--item", blob.item, "Of datasketches-frequent-items: text or i64 (whichever reads)")
      ->type_name("text|i64");
  command->add_option("--element", blob.element, "Of datasketches-count-min: what a cell is (u64)")
      ->type_name("u64|i64|f64");
  command->add_option("--seed", blob.seed, "Of datasketches-count-min: what it hashes with (9001)")
      ->type_name("N");
  command->add_option("--hashing", blob.hashing, "Of asapquery: how keys find their cells (xxh32)")
      ->type_name("xxh32|asap");
}

void add_inspect(CLI::App& parent, Action& action) {
  auto* command = parent.add_subcommand(
      "inspect",
      "Print what a sketch holds and answers as JSON: counts, quantiles, estimates, heavy hitters");
  auto arguments = std::make_shared<InspectArguments>();
  command->add_option("FILE", arguments->file, "One sketch; - reads standard input")->required();
  add_blob_options(command, arguments->blob);
  command->add_option("--items", arguments->items_max, "So many heavy hitters at most")
      ->check(CLI::Range(0, 1 << 20).description(""))
      ->type_name("N")
      ->capture_default_str();
  command->footer(std::string{kFormats} + kExitCodes);
  command->callback([&action, arguments] {
    action = [arguments] { return inspect_sketch(*arguments, standard_streams()); };
  });
}

void add_merge(CLI::App& parent, Action& action) {
  auto* command = parent.add_subcommand(
      "merge", "Make one sketch of several: what they say together, with the same error bounds");
  auto arguments = std::make_shared<MergeArguments>();
  command->add_option("FILE", arguments->files, "The sketches, each of its own format if it can be detected")
      ->required();
  command->add_option("-o,--out", arguments->out_file, "Where the result goes; - is standard output")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--to", arguments->to,
                   "Encoding of the result: cell, asap-envelope, ddsketch-proto, ddsketch-binary, "
                   "datasketches-hll, datasketches-frequent-items or stats; default: that of the sketches if "
                   "all have the same and it is one of these, else cell")
      ->type_name("FORMAT");
  add_blob_options(command, arguments->blob);
  command
      ->add_option("--along", arguments->along,
                   "Of statistics: time for one series whose ranges follow each other, series for several "
                   "series of one range")
      ->type_name("time|series")
      ->capture_default_str();
  command->footer(
      std::string{
          "Sketches fit if they are of one kind and share mapping, hashing, shape and seed; others are "
          "refused, both sides named, and nothing is written. Exponential histograms come to the "
          "coarsest scale, distinct counts to the smallest precision; a note says so "
          "(docs/sketches.md).\n\n"} +
      kFormats + kExitCodes);
  command->callback([&action, arguments] {
    action = [arguments] {
      if (is_terminal(arguments->out_file)) return refuse_terminal("merge");
      return merge_sketches(*arguments, standard_streams());
    };
  });
}

void add_build(CLI::App& parent, Action& action) {
  auto* command = parent.add_subcommand("build", "Make a sketch of values, one per line of standard input");
  auto arguments = std::make_shared<BuildArguments>();
  BuildOptions& build = arguments->build;
  command
      ->add_option("--kind", build.kind,
                   "ddsketch (quantiles of numbers), hll (how many distinct), count-min, count-sketch or "
                   "frequent-items (heavy hitters), stats (lines of TIME VALUE, ascending)")
      ->type_name("KIND")
      ->capture_default_str();
  command->add_option("--accuracy", build.accuracy, "ddsketch: greatest relative error of a quantile")
      ->type_name("SHARE")
      ->capture_default_str();
  command
      ->add_option("--bin-limit", build.bin_limit,
                   "ddsketch: bins for each sign; beyond, the lowest are collapsed. 0: all that are needed")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--precision", build.precision, "hll: 2^N registers, 4 to 21")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--width", build.width, "count-min, count-sketch: cells of a row")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--depth", build.depth, "count-min, count-sketch: rows")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--keep", build.keep, "count-min, count-sketch: items that are remembered by name")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--item", build.item, "hll and heavy hitters: what a line is, which decides its hash")
      ->type_name("text|i64|f64")
      ->capture_default_str();
  command->add_flag("--weighted", build.weighted,
                    "A line is its weight and the value, as `uniq -c` writes it");
  command->add_option("FILE", arguments->in_file, "The values, instead of standard input")->type_name("FILE");
  command->add_option("-o,--out", arguments->out_file, "Where the sketch goes, instead of standard output")
      ->type_name("FILE");
  command
      ->add_option("--to,--format", arguments->to,
                   "Its encoding: cell, asap-envelope, ddsketch-proto, ddsketch-binary, datasketches-hll, "
                   "datasketches-frequent-items or stats")
      ->type_name("FORMAT")
      ->capture_default_str();
  command->footer(
      "Spaces around a value and blank lines are passed over.\n\n"
      "  settle sketch build --kind ddsketch --accuracy 0.01 < latencies.txt | settle sketch inspect -\n"
      "  cut -d' ' -f1 access.log | settle sketch build --kind hll -o visitors.cell\n"
      "  sort paths.txt | uniq -c | settle sketch build --kind count-min --weighted -o paths.cell\n\n"
      "Exit codes: 0 done; 1 a line that is no value (it is named); 2 bad usage or unreadable file.");
  command->callback([&action, arguments] {
    action = [arguments] {
      if (is_terminal(arguments->out_file)) return refuse_terminal("build");
      return build_sketch(*arguments, standard_streams());
    };
  });
}

}  // namespace

void add_sketch_commands(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "sketch", "Look into the sketches that programs make, merge them, and build them (docs/sketches.md)");
  command->require_subcommand(1);
  add_inspect(*command, action);
  add_merge(*command, action);
  add_build(*command, action);
}

}  // namespace settle::cli
