// The kernel for one kind of processor: the file that includes this has defined LRDECAY_KERNEL, its
// table's name, LRDECAY_LANES and LRDECAY_REAL, and has switched the processor's instructions on.
// Nothing of the standard library is instantiated here: the linker could take such a function, made
// of instructions that another processor lacks, for all kinds.
#include "vectors.hpp"

#include "shape.hpp"

#include "convolution.hpp"
#include "linear.hpp"
#include "loss.hpp"
#include "optimizers.hpp"
#include "streams.hpp"
#include "winograd.hpp"

#include "memory.hpp"
#include "network.hpp"

namespace {

void describe(int channels, int height, int width, int classes, int64_t* places) {
  const Layout at(Shape(channels, height, width, classes));
  const int all[] = {at.hidden,     at.first,       at.second,      at.last,     at.first_bias,
                     at.second_bias, at.hidden_bias, at.last_bias, at.total};
  for (int i = 0; i < 9; i++) places[i] = all[i];
}

int64_t count_bytes(int channels, int height, int width, int classes, int batch) {
  return Network(channels, height, width, classes, batch).lay_out(nullptr);
}

void* create(int channels, int height, int width, int classes, int batch) {
  Network network(channels, height, width, classes, batch);
  const int64_t bytes = network.lay_out(nullptr);
  Network* made = static_cast<Network*>(std::malloc(sizeof(Network)));
  char* memory = static_cast<char*>(std::aligned_alloc(64, bytes));
  if (!made || !memory) {
    std::free(made);
    std::free(memory);
    return nullptr;
  }
  std::memset(memory, 0, bytes);  // frames and unused outputs stay so
  network.lay_out(memory);
  *made = network;
  return made;
}

void destroy(void* network) {
  if (!network) return;
  std::free(static_cast<Network*>(network)->image);  // where its memory begins
  std::free(network);
}

template <class Update>
int64_t take_steps(Network& net, const Weights& of, const Images& images, const int64_t* order,
                   int64_t count, int64_t batch, uint64_t run_key, int64_t first_step,
                   Dropout dropout, const double* rows, double* losses, int64_t* right) {
  int64_t step = 0;
  for (int64_t start = 0; start < count; start += batch, step++) {
    dropout.step_key = derive_key(run_key, first_step + step);
    const int some = (int)(count - start < batch ? count - start : batch);
    const Update update(rows + step * Update::kNumbers);
    const Outcome outcome = take_step(net, of, images, order + start, some, dropout, update);
    losses[step] = outcome.loss;
    right[step] = outcome.right;
    if (!(outcome.loss - outcome.loss == 0)) return step + 1;
  }
  return step;
}

int64_t train(void* network, void* parameters, void* gradients, void* first, void* second,
              const void* pixels, const int64_t* labels, const int64_t* order, int64_t count,
              int64_t batch, uint64_t run_key, int64_t first_step, int drops, int32_t threshold,
              double scale, int optimizer, const double* rows, double* losses, int64_t* right) {
  Network& net = *static_cast<Network*>(network);
  const Weights of = {static_cast<Real*>(parameters), static_cast<Real*>(gradients),
                      static_cast<Real*>(first), static_cast<Real*>(second)};
  const Images images = {static_cast<const Real*>(pixels), labels};
  const Dropout dropout = {drops != 0, 0, threshold, (Real)scale};
  const auto take = optimizer == 0   ? take_steps<Adam<false>>
                    : optimizer == 1 ? take_steps<Adam<true>>
                    : optimizer == 2 ? take_steps<Sgd>
                                     : take_steps<Gradients>;
  return take(net, of, images, order, count, batch, run_key, first_step, dropout, rows, losses,
              right);
}

void evaluate(void* network, const void* parameters, const void* pixels, const int64_t* labels,
              int64_t count, double* losses, int64_t* likeliest) {
  evaluate(*static_cast<Network*>(network), static_cast<const Real*>(parameters),
           Images{static_cast<const Real*>(pixels), labels}, count, losses, likeliest);
}

}  // namespace

const LrdecayKernel LRDECAY_KERNEL = {kInterface, sizeof(Real), kLanes, describe, create,
                                      destroy,    count_bytes,  train,  evaluate};
