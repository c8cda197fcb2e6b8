#include "net/http_server.hpp"

#include <algorithm>
#include <set>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/http_session.hpp"
#include "net/http_text.hpp"

namespace settle::net {
namespace asio = boost::asio;
namespace {

using Error = boost::system::error_code;
using tcp = asio::ip::tcp;

// Connections above the limit that may be told so at the same time; the rest are closed without a word.
constexpr std::size_t kTurnedAwayMax = 32;
// Out of descriptors or memory: give the running sessions time to end.
constexpr std::chrono::milliseconds kAcceptAgain{100};

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  Impl(asio::any_io_executor on, std::shared_ptr<const SessionRules> sessions_rules)
      : executor(std::move(on)),
        rules(std::move(sessions_rules)),
        acceptor(executor),
        pause(executor),
        drained(executor, asio::steady_timer::time_point::max()) {}

  static asio::awaitable<void> accept_loop(std::shared_ptr<Impl> impl);
  static asio::awaitable<void> session(std::shared_ptr<Impl> impl, std::shared_ptr<Session> one,
                                       bool welcome);
  void admit(tcp::socket socket);
  void close();

  asio::any_io_executor executor;
  std::shared_ptr<const SessionRules> rules;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  asio::steady_timer drained;
  std::set<std::shared_ptr<Session>> sessions;
  std::size_t turned_away = 0;  // of `sessions`
  bool stopping = false;
};

asio::awaitable<void> HttpServer::Impl::accept_loop(std::shared_ptr<Impl> impl) {
  while (!impl->stopping) {
    auto [error, socket] = co_await impl->acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (impl->stopping) break;
    if (!error) {
      impl->admit(std::move(socket));
      continue;
    }
    impl->pause.expires_after(kAcceptAgain);
    (void)co_await impl->pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

void HttpServer::Impl::admit(tcp::socket socket) {
  const bool welcome = sessions.size() - turned_away < rules->limits.connections_max;
  if (!welcome && turned_away >= kTurnedAwayMax) return;
  Error ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  auto one = std::make_shared<Session>(std::move(socket), rules);
  sessions.insert(one);
  if (!welcome) ++turned_away;
  asio::co_spawn(executor, session(shared_from_this(), std::move(one), welcome), asio::detached);
}

asio::awaitable<void> HttpServer::Impl::session(std::shared_ptr<Impl> impl, std::shared_ptr<Session> one,
                                                bool welcome) {
  try {
    if (welcome) {
      co_await run_session(one);
    } else {
      co_await turn_away(one, 503, "too many connections");
    }
  } catch (const std::exception&) {
    one->cut();  // no memory, or `refuse` threw: this connection's loss only
  }
  impl->sessions.erase(one);
  if (!welcome) --impl->turned_away;
  if (impl->sessions.empty()) impl->drained.cancel();
}

void HttpServer::Impl::close() {
  stopping = true;
  Error ignored;
  acceptor.close(ignored);
  pause.cancel();
}

HttpServer::HttpServer(asio::any_io_executor executor, ServerLimits limits, Handler handler, Refuse refuse) {
  auto rules = std::make_shared<SessionRules>();
  rules->limits = limits;
  rules->handler = std::move(handler);
  rules->refuse = std::move(refuse);
  impl_ = std::make_shared<Impl>(std::move(executor), std::move(rules));
}

HttpServer::~HttpServer() {
  impl_->close();
  for (const auto& one : impl_->sessions) one->cut();
}

std::string HttpServer::listen(const std::string& address) {
  const auto parsed = parse_host_port(address);
  Error error;
  const auto host = asio::ip::make_address(parsed ? parsed->host : "", error);
  if (!parsed || error) {
    return "cannot listen on '" + address +
           "': not an address; expected one like 127.0.0.1:8428 or [::1]:8428";
  }
  if (impl_->acceptor.is_open() || impl_->stopping) {
    return "cannot listen on '" + address + "': the server listens already or was stopped";
  }
  const tcp::endpoint endpoint(host, parsed->port);
  impl_->acceptor.open(endpoint.protocol(), error);
  // After a restart the old connections of the port may still be in TIME_WAIT.
  if (!error) impl_->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) impl_->acceptor.bind(endpoint, error);
  if (!error) impl_->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    Error ignored;
    impl_->acceptor.close(ignored);
    const bool taken = error == asio::error::address_in_use;
    return "cannot listen on '" + address + "': " + error.message() +
           (taken ? "; another program has this port: stop it or choose another" : "");
  }
  asio::co_spawn(impl_->executor, Impl::accept_loop(impl_), asio::detached);
  return "";
}

std::uint16_t HttpServer::port() const {
  Error error;
  const auto endpoint = impl_->acceptor.local_endpoint(error);
  return error ? std::uint16_t{0} : endpoint.port();
}

asio::awaitable<void> HttpServer::stop(std::chrono::milliseconds grace) {
  const std::shared_ptr<Impl> impl = impl_;
  impl->close();
  for (const auto& one : impl->sessions) one->close_when_idle();
  if (impl->sessions.empty()) co_return;
  impl->drained.expires_after(grace);
  (void)co_await impl->drained.async_wait(asio::as_tuple(asio::use_awaitable));
  for (const auto& one : impl->sessions) one->cut();
}

std::size_t HttpServer::connections() const {
  return impl_->sessions.size();
}

}  // namespace settle::net
