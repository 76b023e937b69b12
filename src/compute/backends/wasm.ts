/** tfjs on WebAssembly: needs nothing installed and works everywhere, so it is what `auto` falls back to. */
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { tf } from '../tf.ts';
import type { Backend } from './types.ts';
import { registerWasmKernels } from './wasm-kernels/index.ts';

/** Makes wasm the current backend, with the kernels that training needs. May be called again. */
export async function startWasm(): Promise<string> {
  setWasmPaths(`${wasmDirectory()}${path.sep}`);
  registerWasmKernels();
  if (!(await tf.setBackend('wasm'))) throw new Error('The WebAssembly module could not be started.');
  await tf.ready();
  return `1 thread, ${tf.env().getBool('WASM_HAS_SIMD_SUPPORT') ? 'SIMD' : 'no SIMD'}`;
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
