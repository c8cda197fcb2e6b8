// cli/sketch/commands.hpp: the options of `settle sketch inspect`, `merge` and `build`.
#pragma once

#include <functional>

namespace CLI {  // NOLINT(readability-identifier-naming): the name of the library
class App;
}

namespace settle::cli {

/// `action` is set to what the chosen sub-command does.
void add_sketch_commands(CLI::App& app, std::function<int()>& action);

}  // namespace settle::cli
