#include "tests/support/loopback.hpp"

#include <list>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace settle::test {
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

bool run_until_done(asio::io_context& context, asio::awaitable<void> work, std::chrono::milliseconds limit) {
  struct End {
    bool done = false;
    std::exception_ptr thrown;
  };
  const auto end =
      std::make_shared<End>();  // shared with the handler: after `limit` it may come in a later run
  asio::co_spawn(context, std::move(work), [end, &context](std::exception_ptr error) {
    end->done = true;
    end->thrown = error;
    context.stop();
  });
  context.restart();
  context.run_for(limit);
  if (end->thrown) std::rethrow_exception(end->thrown);
  return end->done;
}

struct ScriptedServer::Impl {
  Impl(asio::io_context& context, std::vector<Step> script)
      : acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), steps(std::move(script)) {}

  static asio::awaitable<void> accept(std::shared_ptr<Impl> impl);
  static asio::awaitable<void> play(std::shared_ptr<Impl> impl, tcp::socket* socket);

  tcp::acceptor acceptor;
  std::vector<Step> steps;
  std::size_t next_step = 0;
  std::vector<std::string> requests;
  std::list<tcp::socket> sockets;
};

asio::awaitable<void> ScriptedServer::Impl::accept(std::shared_ptr<Impl> impl) {
  for (;;) {
    auto [error, socket] = co_await impl->acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    impl->sockets.push_back(std::move(socket));
    asio::co_spawn(impl->acceptor.get_executor(), play(impl, &impl->sockets.back()), asio::detached);
  }
}

asio::awaitable<void> ScriptedServer::Impl::play(std::shared_ptr<Impl> impl, tcp::socket* socket) {
  for (;;) {
    std::string head;
    auto buffer = asio::dynamic_buffer(head);
    auto [error, bytes] =
        co_await asio::async_read_until(*socket, buffer, "\r\n\r\n", asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    impl->requests.push_back(head);
    if (impl->next_step == impl->steps.size()) break;
    const Step step = impl->steps[impl->next_step++];
    const auto answer = asio::buffer(step.answer);
    (void)co_await asio::async_write(*socket, answer, asio::as_tuple(asio::use_awaitable));
    if (step.close) break;
  }
  socket->close();
}

ScriptedServer::ScriptedServer(asio::io_context& context, std::vector<Step> steps)
    : impl_(std::make_shared<Impl>(context, std::move(steps))) {
  asio::co_spawn(context, Impl::accept(impl_), asio::detached);
}

ScriptedServer::~ScriptedServer() {
  impl_->acceptor.close();
  for (auto& socket : impl_->sockets) {
    boost::system::error_code ignored;
    socket.close(ignored);
  }
}

unsigned short ScriptedServer::port() const {
  return impl_->acceptor.local_endpoint().port();
}
const std::vector<std::string>& ScriptedServer::requests() const {
  return impl_->requests;
}
std::size_t ScriptedServer::connections() const {
  return impl_->sockets.size();
}

unsigned short unused_port(asio::io_context& context) {
  const tcp::acceptor once(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  return once.local_endpoint().port();
}

asio::awaitable<std::string> exchange_raw(unsigned short port, std::string text) {
  const auto executor = co_await asio::this_coro::executor;
  tcp::socket socket(executor);
  const tcp::endpoint server(asio::ip::address_v4::loopback(), port);
  co_await socket.async_connect(server, asio::use_awaitable);
  const auto request = asio::buffer(text);
  co_await asio::async_write(socket, request, asio::use_awaitable);
  std::string answer;
  auto buffer = asio::dynamic_buffer(answer);
  (void)co_await asio::async_read(socket, buffer, asio::as_tuple(asio::use_awaitable));
  co_return answer;
}

}  // namespace settle::test
