// tests/support/server_process.hpp: a real server on loopback for end-to-end tests: started on a free port
// with a folder of its own, ended and removed with the object, ended by the kernel if the test dies.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace settle::test {

class ServerProcess {
 public:
  struct Plan {
    std::string program;
    std::string ready_path;  // answers 200 once the server works
    /// The arguments for a port and an empty folder.
    std::function<std::vector<std::string>(unsigned short port, const std::string& folder)> arguments;
  };
  /// Waits until the server is ready. When it does not come up, the test fails with its last words and null
  /// is given.
  [[nodiscard]] static std::unique_ptr<ServerProcess> start(boost::asio::io_context& context,
                                                            const Plan& plan);
  ~ServerProcess();

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] unsigned short port() const { return port_; }
  [[nodiscard]] int pid() const { return pid_; }

  /// Ends it with SIGKILL; its folder stays.
  void kill();
  /// After kill(): the same program on the same port and folder. False, and the test fails, when it does not
  /// come up.
  [[nodiscard]] bool restart(boost::asio::io_context& context);

 private:
  ServerProcess() = default;
  [[nodiscard]] bool spawn();
  [[nodiscard]] bool come_up(boost::asio::io_context& context);
  [[nodiscard]] std::string last_words() const;

  Plan plan_;
  int pid_ = -1;
  unsigned short port_ = 0;
  std::string folder_;
};

/// VictoriaMetrics single node; the program is $SETTLE_VICTORIA_METRICS or build/tools/victoria-metrics,
/// which `scripts/tools` provides. Without it the test fails.
[[nodiscard]] std::unique_ptr<ServerProcess> start_victoria_metrics(
    boost::asio::io_context& context, std::vector<std::string> more_arguments = {});

/// Prometheus that takes remote write; the program is $SETTLE_PROMETHEUS or build/tools/prometheus. It
/// scrapes nothing. `storage` is YAML for its configuration, for example `tsdb: {out_of_order_time_window:
/// 1h}`.
[[nodiscard]] std::unique_ptr<ServerProcess> start_prometheus(boost::asio::io_context& context,
                                                              const std::string& storage = "");

}  // namespace settle::test
