/** tfjs on WebAssembly: needs nothing installed and works everywhere, so it is what `auto` falls back to. */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { TwaError } from '../../core/errors.ts';
import { tf } from '../tf.ts';
import type { Backend } from './types.ts';
import { registerWasmKernels } from './wasm-kernels/index.ts';
import type { WasmBackend } from './wasm-kernels/kernel.ts';

/** Makes wasm the current backend, with the kernels that training needs. May be called again. */
export async function startWasm(): Promise<string> {
  setWasmPaths(`${wasmDirectory()}${path.sep}`);
  registerWasmKernels();
  if (!(await tf.setBackend('wasm'))) throw new Error('The WebAssembly module could not be started.');
  await tf.ready();
  guardMemory(tf.backend() as unknown as WasmBackend);
  return `1 thread, ${tf.env().getBool('WASM_HAS_SIMD_SUPPORT') ? 'SIMD' : 'no SIMD'}`;
}

const guarded = new WeakSet<object>();

/**
 * Where the memory is full, tfjs takes the null address that `malloc` gives for one, and writes over whatever lies at the
 * bottom of the memory. Its own code that runs out of memory aborts, with a sentence that helps nobody.
 */
function guardMemory({ wasm }: WasmBackend): void {
  if (guarded.has(wasm)) return;
  guarded.add(wasm);
  // The module's own: what stands in _malloc before its first call puts itself there in that call.
  const { malloc } = wasm.asm;
  wasm._malloc = (bytes) => {
    const address = malloc(bytes);
    if (address === 0 && bytes > 0) throw memoryIsFull();
    return address;
  };
  wasm.onAbort = () => {
    throw memoryIsFull();
  };
}

function memoryIsFull(): TwaError {
  return new TwaError(
    'no-backend',
    'The backend wasm ran out of memory, of which WebAssembly has 4 GB: set a smaller "batchSize" in twa.json, or choose ' +
      'another backend (`twa devices` lists them).',
  );
}

/** `wasm/` beside the bundle, or the package itself when running from source. */
function wasmDirectory(): string {
  const beside = path.join(path.dirname(fileURLToPath(import.meta.url)), 'wasm');
  if (existsSync(path.join(beside, 'tfjs-backend-wasm-simd.wasm'))) return beside;
  const manifest = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json');
  return path.join(path.dirname(manifest), 'dist');
}

export const wasm: Backend = {
  name: 'wasm',
  start: async () => ({ detail: await startWasm(), gpu: false }),
};
