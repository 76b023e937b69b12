/** Which backend computes: probing, the order of preference, and the reasons for passing over the others. */
import { TwaError, throwIfAborted } from '../../core/errors.ts';
import type { BackendChoice, BackendName, DeviceReport, DevicesResult } from '../protocol.ts';
import { tf } from '../tf.ts';
import { cpu } from './cpu.ts';
import { selfTest } from './self-test.ts';
import { tensorflow } from './tensorflow.ts';
import { Unavailable } from './types.ts';
import type { Backend } from './types.ts';
import { wasm } from './wasm.ts';
import { webgpu } from './webgpu/index.ts';

const backends: Readonly<Record<BackendName, Backend>> = { tensorflow, webgpu, wasm, cpu };

export interface Selected {
  readonly name: BackendName;
  /** "wasm (1 thread, SIMD)". */
  readonly label: string;
  /** Those that were tried and are not used. */
  readonly passedOver: readonly DeviceReport[];
  /** Those that work here, this one first: what a measurement may choose from. */
  readonly usable: readonly DeviceReport[];
}

/** Starts a backend and examines it. It is tfjs's current backend afterwards if it is usable. */
async function probe(backend: Backend, roots: readonly string[], asked = false): Promise<DeviceReport> {
  const { name } = backend;
  let detail = '';
  try {
    const started = await backend.start({ roots, asked });
    detail = started.detail;
    const selfTestMs = Math.round(await selfTest());
    return { name, usable: true, detail, gpu: started.gpu, selfTestMs };
  } catch (error) {
    backend.stop?.();
    const message = error instanceof Error ? error.message : String(error);
    const reason =
      error instanceof Unavailable
        ? message
        : `${detail === '' ? 'It does not start' : 'Self-test failed'}: ${message}`;
    return { name, usable: false, detail, gpu: false, reason };
  }
}

export interface SelectOptions {
  readonly signal?: AbortSignal | undefined;
  /** Those that failed in the middle of the work, and are not to be tried again. */
  readonly without?: ReadonlySet<BackendName> | undefined;
}

/**
 * Makes the best usable backend current: TensorFlow on a GPU, WebGPU on a real adapter, TensorFlow on the CPU,
 * wasm; or exactly the one asked for. The one that is taken has passed the self-test.
 *
 * @param roots Directories whose node_modules may hold optional packages, nearest first.
 */
export async function selectBackend(
  choice: BackendChoice,
  roots: readonly string[],
  { signal, without = new Set() }: SelectOptions = {},
): Promise<Selected> {
  if (choice !== 'auto') {
    const report = await probe(backends[choice], roots, true);
    if (!report.usable) {
      throw new TwaError('no-backend', `The backend "${choice}" cannot be used here. ${report.reason ?? ''}`);
    }
    await makeCurrent(choice);
    return { name: choice, label: label(report), passedOver: [], usable: [report] };
  }
  const probes: DeviceReport[] = [];
  for (const name of ['tensorflow', 'webgpu', 'wasm'] as const) {
    throwIfAborted(signal);
    if (without.has(name)) continue;
    probes.push(await probe(backends[name], roots));
  }
  const chosen = preferred(probes);
  if (chosen === undefined) {
    throw new TwaError('no-backend', 'No compute backend works on this machine: see the details for each.', {
      details: probes.map(({ name, reason }) => `${name}: ${reason ?? ''}`),
    });
  }
  await makeCurrent(chosen.name);
  return {
    name: chosen.name,
    label: label(chosen),
    passedOver: probes.filter((report) => report !== chosen),
    usable: [chosen, ...probes.filter((report) => report.usable && report !== chosen)],
  };
}

/** Every backend with what it runs on or why it cannot be used. Leaves the chosen one current. */
export async function listDevices(roots: readonly string[], signal?: AbortSignal): Promise<DevicesResult> {
  const devices: DeviceReport[] = [];
  for (const backend of Object.values(backends)) {
    throwIfAborted(signal);
    devices.push(await probe(backend, roots));
  }
  const chosen = preferred(devices)?.name;
  if (chosen !== undefined) await makeCurrent(chosen);
  return { chosen, devices };
}

/** Examines this one as if it had been asked for by name, and no other. */
export async function tryBackend(name: BackendName, roots: readonly string[]): Promise<DeviceReport> {
  return await probe(backends[name], roots, true);
}

/** Why nothing that the current backend computes can be trusted any more; undefined as long as all is well. */
export async function backendFailure(name: BackendName): Promise<string | undefined> {
  return await backends[name].failure?.();
}

/** Lets go of what a backend holds; its tensors are lost. */
export function stopBackend(name: BackendName): void {
  backends[name].stop?.();
}

/** The others let go of what they hold: a GPU is wanted elsewhere, too. */
async function makeCurrent(name: BackendName): Promise<void> {
  await tf.setBackend(name);
  for (const other of Object.values(backends)) if (other.name !== name) other.stop?.();
}

function preferred(devices: readonly DeviceReport[]): DeviceReport | undefined {
  const usable = (name: BackendName, onGpu = false) =>
    devices.find((device) => device.usable && device.name === name && (device.gpu || !onGpu));
  return usable('tensorflow', true) ?? usable('webgpu', true) ?? usable('tensorflow') ?? usable('wasm');
}

function label({ name, detail }: DeviceReport): string {
  return `${name} (${detail})`;
}
