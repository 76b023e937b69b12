/**
 * Dawn, the WebGPU of Chromium, through its Node binding (`webgpu` on npm): what of it is used here, which adapter is
 * taken, and the device on it. https://www.w3.org/TR/webgpu/
 */
import { pathToFileURL } from 'node:url';
import { findPackage } from '../packages.ts';
import { Unavailable } from '../types.ts';

export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter?: boolean;
}

export interface Adapter {
  readonly info: AdapterInfo;
  readonly limits: Readonly<Record<string, number>>;
  requestDevice(descriptor: { requiredLimits: Readonly<Record<string, number>> }): Promise<Device>;
}

export interface Device {
  readonly limits: Readonly<Record<string, number>>;
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  addEventListener(type: 'uncapturederror', listener: (event: UncapturedError) => void): void;
  destroy(): void;
}

export interface UncapturedError {
  readonly error: { readonly message: string };
  preventDefault?(): void;
}

interface Gpu {
  requestAdapter(options: object): Promise<Adapter | null>;
}

interface Dawn {
  readonly globals: object;
  create(options: readonly string[]): Gpu;
}

/** Part of the name of the adapter to take, where a machine has several. */
export const ADAPTER_VARIABLE = 'TWA_WEBGPU_ADAPTER';

/**
 * Limits that are asked for as high as the adapter goes: tfjs sizes its programs by the first ones, and WebGPU's
 * defaults (a binding of 128 MiB, 8 storage buffers) are small for a network's tensors.
 */
const LIMITS = [
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxStorageBuffersPerShaderStage',
];

/**
 * The adapter that was asked for in {@link ADAPTER_VARIABLE}, else the fastest. `navigator.gpu` and WebGPU's other
 * globals are there afterwards, until {@link closeDawn}. Throws {@link Unavailable} where there is none.
 */
export async function openAdapter(roots: readonly string[]): Promise<Adapter> {
  if (process.versions['electron'] !== undefined) {
    throw new Unavailable(
      'WebGPU needs Node.js: the one inside the editor cannot read results back from a GPU, and no other of version ' +
        '20.19 or newer was found in PATH or where it is usually installed. Install Node.js, or name it in TWA_NODE.',
    );
  }
  const found = findPackage(roots, 'webgpu');
  if (found === undefined) {
    throw new Unavailable(
      'The package `webgpu` is not installed: `twa setup-gpu`, in VS Code the command TWA: Set Up GPU, adds it.',
    );
  }
  try {
    const dawn = (await import(pathToFileURL(found.file).href)) as Dawn;
    const wanted = process.env[ADAPTER_VARIABLE] ?? '';
    Object.assign(globalThis, dawn.globals);
    const gpu = dawn.create(wanted === '' ? [] : [`adapter=${wanted}`]);
    const navigator = (globalThis as { navigator?: object }).navigator ?? {};
    Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true, writable: true });
    Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true });
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter !== null) return adapter;
  } catch (error) {
    closeDawn();
    const message = error instanceof Error ? error.message : String(error);
    throw new Unavailable(`The package \`webgpu\` in ${found.folder} does not work: ${firstLines(message)}`);
  }
  closeDawn();
  throw new Unavailable(
    'The package `webgpu` finds no graphics adapter' +
      (process.platform === 'linux'
        ? ': on Linux it needs a Vulkan driver, that of the GPU and the loader (libvulkan1 in Debian and Ubuntu).'
        : '.'),
  );
}

export async function openDevice(adapter: Adapter): Promise<Device> {
  const requiredLimits = Object.fromEntries(
    LIMITS.flatMap((name) => {
      const limit = adapter.limits[name];
      return limit === undefined ? [] : [[name, limit]];
    }),
  );
  return await adapter.requestDevice({ requiredLimits });
}

/** Without this the process does not end. */
export function closeDawn(): void {
  const { navigator } = globalThis as { navigator?: { gpu?: unknown } };
  if (navigator !== undefined) delete navigator.gpu;
}

/** Computed by the processor. Mesa's and Google's say so in their names, and Dawn marks those it knows. */
export function isSoftware(info: AdapterInfo): boolean {
  const text = `${info.device} ${info.description} ${info.architecture}`;
  return info.isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe|software|basic render/i.test(text);
}

/** "NVIDIA GeForce RTX 4090 (nvidia, ada)". */
export function adapterName({ vendor, architecture, device, description }: AdapterInfo): string {
  const name = [device, description].find((text) => text !== '') ?? 'unnamed adapter';
  const more = [vendor, architecture].filter((text) => text !== '' && !name.includes(text));
  return more.length === 0 ? name : `${name} (${more.join(', ')})`;
}

function firstLines(message: string): string {
  return message.split('\n').slice(0, 4).join(' ').trim();
}
