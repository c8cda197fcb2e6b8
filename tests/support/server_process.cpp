#include "tests/support/server_process.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "net/http_client.hpp"
#include "tests/support/loopback.hpp"

namespace settle::test {
namespace asio = boost::asio;
namespace {

constexpr int kReadyTries = 600;
constexpr std::chrono::milliseconds kReadyPause{50};

asio::awaitable<void> wait_until_ready(asio::io_context* context, std::string url, int pid, bool* ready) {
  net::HttpClient client(context->get_executor());
  asio::steady_timer pause(*context);
  for (int i = 0; i < kReadyTries && ::waitpid(pid, nullptr, WNOHANG) == 0; ++i) {
    net::ClientRequest request;
    request.endpoint.url = url;
    const net::ClientResult result = co_await client.send(std::move(request));
    *ready = result.status == 200;
    if (*ready) co_return;
    pause.expires_after(kReadyPause);
    co_await pause.async_wait(asio::use_awaitable);
  }
}

}  // namespace

bool ServerProcess::spawn() {
  std::vector<std::string> arguments = plan_.arguments(port_, folder_ + "/data");
  arguments.insert(arguments.begin(), plan_.program);
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string log = folder_ + "/log";
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  return pid_ > 0;
}

std::string ServerProcess::last_words() const {
  std::ifstream in(folder_ + "/log");
  std::stringstream text;
  text << in.rdbuf();
  const std::string all = text.str();
  return all.size() > 2'000 ? all.substr(all.size() - 2'000) : all;
}

bool ServerProcess::come_up(asio::io_context& context) {
  bool ready = false;
  if (spawn()) {
    auto waiting = wait_until_ready(&context, url() + plan_.ready_path, pid_, &ready);
    (void)run_until_done(context, std::move(waiting), std::chrono::minutes{1});
  }
  if (!ready) ADD_FAILURE() << plan_.program << " did not come up: " << last_words();
  return ready;
}

std::unique_ptr<ServerProcess> ServerProcess::start(asio::io_context& context, const Plan& plan) {
  std::unique_ptr<ServerProcess> server(new ServerProcess);
  server->plan_ = plan;
  server->port_ = unused_port(context);
  std::string name = testing::TempDir() + "settle_server_XXXXXX";
  if (::mkdtemp(name.data()) != nullptr) server->folder_ = name;
  return server->come_up(context) ? std::move(server) : nullptr;
}

void ServerProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool ServerProcess::restart(asio::io_context& context) {
  kill();
  return come_up(context);
}

ServerProcess::~ServerProcess() {
  kill();
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

namespace {

/// $`variable`, or the program that scripts/tools provides. "" , and the test fails, when it is not there.
std::string find_program(const char* variable, const std::string& name) {
  const char* chosen = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): no thread yet
  std::string program = chosen != nullptr ? chosen : SETTLE_TOOLS "/" + name;
  if (::access(program.c_str(), X_OK) == 0) return program;
  ADD_FAILURE() << program << " is not there: run scripts/tools " << name << ", or set " << variable;
  return "";
}

}  // namespace

std::unique_ptr<ServerProcess> start_victoria_metrics(asio::io_context& context,
                                                      std::vector<std::string> more_arguments) {
  ServerProcess::Plan plan;
  plan.program = find_program("SETTLE_VICTORIA_METRICS", "victoria-metrics");
  plan.ready_path = "/health";
  plan.arguments = [more = std::move(more_arguments)](unsigned short port, const std::string& folder) {
    std::vector<std::string> arguments{"-httpListenAddr=127.0.0.1:" + std::to_string(port),
                                       "-storageDataPath=" + folder, "-retentionPeriod=100y",
                                       "-memory.allowedBytes=64MB"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  return plan.program.empty() ? nullptr : ServerProcess::start(context, plan);
}

std::unique_ptr<ServerProcess> start_prometheus(asio::io_context& context, const std::string& storage) {
  ServerProcess::Plan plan;
  plan.program = find_program("SETTLE_PROMETHEUS", "prometheus");
  plan.ready_path = "/-/ready";
  plan.arguments = [storage](unsigned short port, const std::string& folder) {
    const std::string config = folder + ".yml";
    std::ofstream(config) << "global: {scrape_interval: 1h}\n"
                          << (storage.empty() ? "" : "storage: {" + storage + "}\n");
    return std::vector<std::string>{"--config.file=" + config, "--storage.tsdb.path=" + folder,
                                    "--web.listen-address=127.0.0.1:" + std::to_string(port),
                                    "--web.enable-remote-write-receiver", "--log.level=warn"};
  };
  return plan.program.empty() ? nullptr : ServerProcess::start(context, plan);
}

}  // namespace settle::test
