// Carries out AMX instructions where the processor has none: a handler of SIGILL decodes the one that the processor did
// not know, does to a register file of the thread and to memory what the instruction-set description says, and goes on
// behind it. For tests of the machine code that hosts with AMX run; what that costs says nothing about them.
//
// TDPBF16PS: for each element of the sums, one chain of fused multiply-adds over the even and one over the odd elements
// of k, both from zero; their sum is added to the element. All rounds to nearest even, subnormal operands and results
// are zeros. The four products of bytes add 32-bit sums that wrap. What would raise #UD or #GP ends the process with a
// word on why. Not decoded: prefixes of segments and of 32-bit addresses, which compilers do not write here.
#include <immintrin.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>

namespace {

constexpr int kTiles = 8, kRows = 16, kRowBytes = 64;
constexpr unsigned int kFlushing = 0x9FC0;  // MXCSR: to nearest, subnormals are zeros, nothing raises

enum Kind { kLoadConfig, kStoreConfig, kRelease, kZero, kLoad, kStore, kBf16, kSS, kSU, kUS, kUU, kKinds };

struct Tile {
  uint8_t data[kRows][kRowBytes];
  int rows, row_bytes;
};

struct Registers {
  bool configured;
  uint8_t config[64];
  Tile tiles[kTiles];
};

thread_local Registers registers;
std::atomic<int64_t> executed[kKinds];
std::atomic<int64_t> configured_threads{0}, all_threads{0};
thread_local bool is_counted = false;
struct sigaction previous;

struct Instruction {
  Kind kind;
  int reg, rm, vvvv, length;
  uint8_t *address;
  int64_t stride;
};

[[noreturn]] void refuse(const char *why) {
  static const char head[] = "amx_trap: ";
  (void)!write(STDERR_FILENO, head, sizeof head - 1);
  (void)!write(STDERR_FILENO, why, strlen(why));
  (void)!write(STDERR_FILENO, "\n", 1);
  _exit(128 + SIGILL);
}

int64_t general(const ucontext_t *context, int number) {
  static constexpr int places[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return context->uc_mcontext.gregs[places[number]];
}

// The memory operand behind a ModRM byte; gives the bytes that it took. The index counts as the stride of rows.
int address_of(const uint8_t *modrm, const ucontext_t *context, bool x, bool b, bool strided, Instruction *out) {
  const int mod = *modrm >> 6, rm = *modrm & 7;
  int64_t base = 0, index = 0;
  int32_t wide = 0;
  int taken = 1;
  bool has_wide = mod == 2, relative = false;
  if (rm == 4) {
    const uint8_t sib = modrm[taken++];
    const int index_number = (sib >> 3 & 7) | (x ? 8 : 0), base_number = sib & 7;
    if (index_number != 4) index = general(context, index_number) * (int64_t{1} << (sib >> 6));
    if (base_number == 5 && mod == 0)
      has_wide = true;
    else
      base = general(context, base_number | (b ? 8 : 0));
  } else if (strided) {
    refuse("a load or store of a tile has no SIB byte (#UD)");
  } else if (rm == 5 && mod == 0) {
    has_wide = relative = true;
  } else {
    base = general(context, rm | (b ? 8 : 0));
  }
  if (mod == 1) base += static_cast<int8_t>(modrm[taken++]);
  if (has_wide) {
    memcpy(&wide, modrm + taken, 4);
    taken += 4;
    base += wide;
  }
  if (relative) base += reinterpret_cast<int64_t>(modrm + taken);
  out->stride = index;
  out->address = reinterpret_cast<uint8_t *>(strided ? base : base + index);
  return taken;
}

// Whether `code` is an AMX instruction: three bytes of VEX (map 0F38, W0, L0), the opcode, ModRM.
bool decode(const uint8_t *code, const ucontext_t *context, Instruction *out) {
  if (code[0] != 0xC4 || (code[1] & 0x1F) != 2 || (code[2] & 0x84) != 0) return false;
  const bool r = !(code[1] & 0x80), x = !(code[1] & 0x40), b = !(code[1] & 0x20);
  const int prefix = code[2] & 3;  // none, 66, F3, F2
  const uint8_t opcode = code[3], modrm = code[4];
  const bool is_memory = modrm >> 6 != 3;
  out->vvvv = ~(code[2] >> 3) & 15;
  out->reg = (modrm >> 3 & 7) | (r ? 8 : 0);
  out->rm = (modrm & 7) | (b ? 8 : 0);
  out->length = 5;
  const bool is_product = opcode == 0x5C || opcode == 0x5E;
  if (!is_product && out->vvvv != 0) return false;
  if (is_product && is_memory) return false;
  if (opcode == 0x49 && is_memory && out->reg == 0 && prefix <= 1) {
    out->kind = prefix == 0 ? kLoadConfig : kStoreConfig;
    out->length = 4 + address_of(code + 4, context, x, b, false, out);
  } else if (opcode == 0x49 && prefix == 0 && modrm == 0xC0) {
    out->kind = kRelease;
  } else if (opcode == 0x49 && prefix == 3 && !is_memory && out->rm == 0) {
    out->kind = kZero;
  } else if (opcode == 0x4B && is_memory && prefix != 0) {
    out->kind = prefix == 2 ? kStore : kLoad;  // 66: the load with a hint
    out->length = 4 + address_of(code + 4, context, x, b, true, out);
  } else if (opcode == 0x5C && prefix == 2) {
    out->kind = kBf16;
  } else if (opcode == 0x5E) {
    static constexpr Kind kinds[] = {kUU, kUS, kSU, kSS};
    out->kind = kinds[prefix];
  } else {
    return false;
  }
  return true;
}

void release() {
  if (registers.configured) --configured_threads;
  memset(&registers, 0, sizeof registers);
}

void load_config(const uint8_t *from) {
  uint8_t config[64];
  memcpy(config, from, sizeof config);
  release();
  if (config[0] == 0) return;
  if (config[0] != 1) refuse("LDTILECFG: a palette other than 0 and 1 (#GP)");
  if (config[1] != 0) refuse("LDTILECFG: rows to start at are not carried out here");
  for (int at = 2; at < 64; ++at) {
    const bool reserved = at < 16 || (at >= 32 && at < 48) || at >= 56;
    if (reserved && config[at] != 0) refuse("LDTILECFG: a reserved byte is not zero (#GP)");
  }
  for (int tile = 0; tile < kTiles; ++tile) {
    uint16_t row_bytes;
    memcpy(&row_bytes, config + 16 + 2 * tile, 2);
    const int rows = config[48 + tile];
    if (rows > kRows || row_bytes > kRowBytes || (rows == 0) != (row_bytes == 0))
      refuse("LDTILECFG: a register of a size that there is none of (#GP)");
    registers.tiles[tile].rows = rows;
    registers.tiles[tile].row_bytes = row_bytes;
  }
  memcpy(registers.config, config, sizeof config);
  registers.configured = true;
  ++configured_threads;
}

Tile &tile_of(int number) {
  if (!registers.configured) refuse("registers are used that nobody configured (#UD)");
  if (number >= kTiles || registers.tiles[number].rows == 0) refuse("a register is used that has no size (#UD)");
  return registers.tiles[number];
}

void load(Tile &tile, const uint8_t *from, int64_t stride) {
  Tile fresh = {};
  fresh.rows = tile.rows;
  fresh.row_bytes = tile.row_bytes;
  for (int row = 0; row < tile.rows; ++row)
    memcpy(fresh.data[row], from + row * stride, static_cast<size_t>(tile.row_bytes));
  tile = fresh;
}

void store(const Tile &tile, uint8_t *to, int64_t stride) {
  for (int row = 0; row < tile.rows; ++row)
    memcpy(to + row * stride, tile.data[row], static_cast<size_t>(tile.row_bytes));
}

float widened(const uint8_t *from) {
  uint16_t half;
  memcpy(&half, from, 2);
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// Out of line, so that nothing of it moves across the change of MXCSR.
__attribute__((noinline)) void multiply_bf16(Tile &sums, const Tile &left, const Tile &right) {
  const int units = left.row_bytes / 4, columns = sums.row_bytes / 4;
  float even[kRows][16] = {}, odd[kRows][16] = {};
  for (int unit = 0; unit < units; ++unit)
    for (int column = 0; column < columns; ++column) {
      even[unit][column] = widened(&right.data[unit][4 * column]);
      odd[unit][column] = widened(&right.data[unit][4 * column + 2]);
    }
  for (int row = 0; row < sums.rows; ++row) {
    __m512 evens = _mm512_setzero_ps(), odds = _mm512_setzero_ps();
    for (int unit = 0; unit < units; ++unit) {
      evens = _mm512_fmadd_ps(_mm512_set1_ps(widened(&left.data[row][4 * unit])), _mm512_loadu_ps(even[unit]), evens);
      odds = _mm512_fmadd_ps(_mm512_set1_ps(widened(&left.data[row][4 * unit + 2])), _mm512_loadu_ps(odd[unit]), odds);
    }
    float before[16] = {};
    memcpy(before, sums.data[row], static_cast<size_t>(sums.row_bytes));
    _mm512_storeu_ps(before, _mm512_add_ps(_mm512_loadu_ps(before), _mm512_add_ps(evens, odds)));
    memcpy(sums.data[row], before, static_cast<size_t>(sums.row_bytes));
  }
}

int32_t number(uint8_t byte, bool is_signed) { return is_signed ? static_cast<int8_t>(byte) : byte; }

void multiply_bytes(Tile &sums, const Tile &left, const Tile &right, bool left_signed, bool right_signed) {
  for (int row = 0; row < sums.rows; ++row)
    for (int column = 0; column < sums.row_bytes / 4; ++column) {
      uint32_t total;
      memcpy(&total, &sums.data[row][4 * column], 4);
      for (int at = 0; at < left.row_bytes; ++at)
        total += static_cast<uint32_t>(number(left.data[row][at], left_signed) *
                                       number(right.data[at / 4][4 * column + at % 4], right_signed));
      memcpy(&sums.data[row][4 * column], &total, 4);
    }
}

void multiply(const Instruction &what) {
  if (what.reg == what.rm || what.reg == what.vvvv || what.rm == what.vvvv)
    refuse("a product of registers that are not three (#UD)");
  Tile &sums = tile_of(what.reg);
  const Tile &left = tile_of(what.rm), &right = tile_of(what.vvvv);
  if (sums.row_bytes % 4 || left.row_bytes % 4 || left.rows != sums.rows || right.rows != left.row_bytes / 4 ||
      right.row_bytes != sums.row_bytes)
    refuse("a product of registers whose sizes do not fit (#UD)");
  if (what.kind != kBf16)
    return multiply_bytes(sums, left, right, what.kind == kSS || what.kind == kSU, what.kind == kSS || what.kind == kUS);
  const unsigned int before = _mm_getcsr();
  _mm_setcsr(kFlushing);
  multiply_bf16(sums, left, right);
  _mm_setcsr(before);
}

void carry_out(const Instruction &what) {
  switch (what.kind) {
    case kLoadConfig: return load_config(what.address);
    case kStoreConfig: memcpy(what.address, registers.config, sizeof registers.config); return;
    case kRelease: return release();
    case kZero: memset(tile_of(what.reg).data, 0, sizeof(Tile::data)); return;
    case kLoad: return load(tile_of(what.reg), what.address, what.stride);
    case kStore: return store(tile_of(what.reg), what.address, what.stride);
    default: return multiply(what);
  }
}

void handle(int signal, siginfo_t *info, void *raw) {
  auto *context = static_cast<ucontext_t *>(raw);
  auto &at = context->uc_mcontext.gregs[REG_RIP];
  Instruction what;
  if (info->si_code <= 0 || !decode(reinterpret_cast<const uint8_t *>(at), context, &what)) {
    sigaction(signal, &previous, nullptr);  // it runs again, and is theirs
    return;
  }
  carry_out(what);
  ++executed[what.kind];
  if (!is_counted) ++all_threads;
  is_counted = true;
  at += what.length;
}

bool is_ours(const struct sigaction &action) { return (action.sa_flags & SA_SIGINFO) && action.sa_sigaction == handle; }

}  // namespace

extern "C" {

// From now on, or again where somebody put a handler over ours; 0 where the system lets us.
int amx_install() {
  struct sigaction now, wanted = {};
  sigaction(SIGILL, nullptr, &now);
  if (is_ours(now)) return 0;
  wanted.sa_sigaction = handle;
  wanted.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;  // a fault within may be left by a jump
  previous = now;
  return sigaction(SIGILL, &wanted, nullptr);
}

void amx_uninstall() {
  struct sigaction now;
  sigaction(SIGILL, nullptr, &now);
  if (is_ours(now)) sigaction(SIGILL, &previous, nullptr);
}

// How often instructions of a kind (the order of `Kind`) were carried out by all threads.
int64_t amx_executed(int kind) { return executed[kind]; }

// Threads whose registers are configured now, and those that ever carried anything out.
int64_t amx_configured() { return configured_threads; }
int64_t amx_threads() { return all_threads; }
}
