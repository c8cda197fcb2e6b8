// cli/sketch/run.hpp: `settle sketch inspect`, `merge` and `build`: files in, files out.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

#include "cli/sketch/blob.hpp"
#include "cli/sketch/build.hpp"

namespace settle::cli {

struct InspectArguments {
  std::string file{};  // "-": standard input
  BlobOptions blob{};
  std::size_t items_max = 100;
};
struct MergeArguments {
  std::vector<std::string> files{};
  BlobOptions blob{};
  std::string out_file{};      // "-": standard output
  std::string to{};            // "": the format of all of them if it is written, else cell
  std::string along = "time";  // or "series"
};
struct BuildArguments {
  BuildOptions build{};
  std::string in_file = "-";
  std::string out_file = "-";
  std::string to = "cell";
};

struct Streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
};

// Each returns the exit code: 0 done, 1 refused (said on `err`), 2 bad option or unreadable file.
[[nodiscard]] int inspect_sketch(const InspectArguments& arguments, Streams streams);
[[nodiscard]] int merge_sketches(const MergeArguments& arguments, Streams streams);
[[nodiscard]] int build_sketch(const BuildArguments& arguments, Streams streams);

/// Several sketches as one. `said` is for people: what became of what they did not share.
struct MergedSketch {
  sketch::Accumulator sketch;
  codec::Format format = codec::Format::cell;
  std::vector<std::string> said;
};
struct NamedBytes {
  std::string name;
  std::string bytes;
};
/// The error names the blob.
[[nodiscard]] engine::Result<MergedSketch> merge_blobs(const std::vector<NamedBytes>& blobs,
                                                       const Reading& reading, sketch::Along along);

}  // namespace settle::cli
