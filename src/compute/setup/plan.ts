/** From what was found to what can be done about it. Pure: it looks at nothing but its argument. */
import type { BackendName } from '../protocol.ts';
import { ROUTES, type RouteName } from './home.ts';
import type { PythonSurvey, PythonTensorflow, Survey } from './survey.ts';

/** One way to a faster backend. */
export interface Route {
  readonly name: RouteName;
  /** "Build TensorFlow 2.21.0 of /home/me/.venv/bin/python into TWA". */
  readonly title: string;
  /** What will happen, in a few sentences: what is downloaded, compiled and written. */
  readonly does: string;
  /** What computes afterwards. */
  readonly gives: string;
  /** What is missing for it, and what to do about that. Absent: it can be taken. */
  readonly blocked?: string;
}

export interface Plan {
  /** What was found, in sentences. */
  readonly found: readonly string[];
  /** The best first; those that cannot be taken last. */
  readonly routes: readonly Route[];
  /** The one to propose. Absent: nothing would be gained, or nothing can be done. */
  readonly recommended?: RouteName;
}

/** The backend that a route brings. */
export const BACKEND_OF: Readonly<Record<RouteName, BackendName>> = {
  wheel: 'tensorflow',
  webgpu: 'webgpu',
  'tfjs-node': 'tensorflow',
};

/** As installed: compiled sources are part of the first two, so their versions are exact. */
export const VERSIONS = {
  '@tensorflow/tfjs-node': '4.22.0',
  '@tensorflow/tfjs-node-gpu': '4.22.0',
  'node-api-headers': '1.9.0',
  webgpu: '0.6.2',
} as const;

/** Platforms that `webgpu` has a binary for. */
const WEBGPU_PLATFORMS = [
  'linux-x64',
  'linux-arm64',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64',
  'win32-arm64',
];

export function planSetup(survey: Survey): Plan {
  const routes = [wheelRoute(survey), webgpuRoute(survey), stockRoute(survey)];
  const open = routes.filter(({ blocked }) => blocked === undefined);
  const recommended = recommend(survey, new Set(open.map(({ name }) => name)));
  const rank = ({ name, blocked }: Route): number =>
    (blocked === undefined ? 0 : 10) + (name === recommended ? -1 : ROUTES.indexOf(name));
  return {
    found: findings(survey),
    routes: routes.sort((a, b) => rank(a) - rank(b)),
    ...(recommended === undefined ? {} : { recommended }),
  };
}

/**
 * A GPU before a processor, and CUDA, which TensorFlow's kernels are tuned for, before WebGPU. TensorFlow on the
 * processor is worth it where there is no GPU: 3 to 4 times as fast as wasm (docs/backends.md).
 */
function recommend(survey: Survey, open: ReadonlySet<RouteName>): RouteName | undefined {
  const { nvidia, graphics } = survey;
  const { devices } = survey.devices;
  const works = (name: BackendName): boolean =>
    devices.some((device) => device.name === name && device.usable);
  if (devices.some(({ gpu }) => gpu)) return undefined;
  if (open.has('wheel') && nvidia.length > 0 && tensorflowOf(survey)?.cuda !== undefined) return 'wheel';
  if (open.has('webgpu') && graphics) return 'webgpu';
  if (works('tensorflow')) return undefined;
  return (['wheel', 'tfjs-node'] as const).find((name) => open.has(name));
}

function wheelRoute(survey: Survey): Route {
  const { python, nvidia, platform, architecture, npm, compiler } = survey;
  const tensorflow = tensorflowOf(survey);
  const package_ = wheelPackage(tensorflow);
  const route = {
    name: 'wheel' as const,
    title:
      tensorflow === undefined
        ? 'Build on the TensorFlow of your Python'
        : `Build on TensorFlow ${tensorflow.version} of ${interpreterOf(python)}`,
    does:
      `Downloads ${package_} ${VERSIONS[package_]} and node-api-headers from npm (about 55 MB) and compiles its binding ` +
      'with your C++ compiler against the library in that Python, which stays as it is.',
    gives: wheelGives(tensorflow, nvidia),
  };
  const blocked = ((): string | undefined => {
    if (platform !== 'linux' || !['x64', 'arm64'].includes(architecture)) {
      return 'TensorFlow for Python has the C library that this needs on Linux only.';
    }
    if (typeof python === 'string') return python;
    if (tensorflow === undefined) {
      return (
        `${python.path} has no TensorFlow: \`pip install tensorflow\`, with an NVIDIA GPU ` +
        "`pip install 'tensorflow[and-cuda]'`, or name another interpreter (--python, in VS Code twa.pythonPath)."
      );
    }
    if (!tensorflow.hasLibrary || !tensorflow.hasHeaders) {
      return `TensorFlow ${tensorflow.version} in ${tensorflow.directory} comes without its C library or its headers.`;
    }
    return noNpm(survey) ?? (npm !== undefined && compiler === undefined ? NO_COMPILER : undefined);
  })();
  return { ...route, ...(blocked === undefined ? {} : { blocked }) };
}

const NO_COMPILER =
  'There is no C++ compiler: install g++ (in Debian and Ubuntu `apt-get install g++`), or name one in CXX.';

/** The GPU package where the library can use one: the two differ in name only, and the label then says what it is. */
export function wheelPackage(
  tensorflow: PythonTensorflow | undefined,
): '@tensorflow/tfjs-node-gpu' | '@tensorflow/tfjs-node' {
  return tensorflow?.cuda === undefined ? '@tensorflow/tfjs-node' : '@tensorflow/tfjs-node-gpu';
}

function wheelGives(tensorflow: PythonTensorflow | undefined, nvidia: readonly string[]): string {
  if (tensorflow?.cuda === undefined) {
    const gpu =
      nvidia.length === 0 || tensorflow === undefined
        ? ''
        : " This TensorFlow was built without CUDA; `pip install 'tensorflow[and-cuda]'` brings one that uses your GPU.";
    return `TensorFlow on the processor, several times as fast as wasm.${gpu}`;
  }
  if (nvidia.length === 0) return 'TensorFlow on the processor: no NVIDIA GPU was found.';
  return `TensorFlow on ${nvidia.join(', ')} through CUDA${tensorflow.cuda === '' ? '' : ` ${tensorflow.cuda}`}.`;
}

function webgpuRoute(survey: Survey): Route {
  const { platform, architecture, graphics, devices } = survey;
  const blocked = ((): string | undefined => {
    if (!WEBGPU_PLATFORMS.includes(`${platform}-${architecture}`)) {
      return `The package webgpu has no program for ${platform} on ${architecture}.`;
    }
    if (devices.devices.some(({ name, gpu }) => name === 'webgpu' && gpu)) return 'It works already.';
    return noNpm(survey);
  })();
  return {
    name: 'webgpu',
    title: 'Install WebGPU',
    does:
      `Downloads the package webgpu ${VERSIONS.webgpu} from npm (51 MB) and keeps the part for this machine (20 to 40 MB). ` +
      'Nothing is compiled, and no CUDA is needed.',
    gives: graphics
      ? 'WebGPU on any GPU of NVIDIA, AMD, Intel or Apple that has a driver for Vulkan, Metal or Direct3D 12.'
      : 'WebGPU; but no graphics processor was found, and one in software is slower than wasm.',
    ...(blocked === undefined ? {} : { blocked }),
  };
}

function stockRoute(survey: Survey): Route {
  const { platform, architecture } = survey;
  const blocked = ((): string | undefined => {
    const supported = platform === 'darwin' || (platform === 'linux' && architecture === 'x64');
    if (!supported) {
      return platform === 'win32'
        ? 'On Windows this release does not find its own library with a current Node.js.'
        : `There is no TensorFlow 2.9 for ${platform} on ${architecture}.`;
    }
    return noNpm(survey);
  })();
  return {
    name: 'tfjs-node',
    title: 'Download @tensorflow/tfjs-node with a TensorFlow of its own',
    does:
      `Downloads @tensorflow/tfjs-node ${VERSIONS['@tensorflow/tfjs-node']} from npm, and its install script TensorFlow 2.9 ` +
      '(2.7 on Apple silicon) from storage.googleapis.com: some 200 MB in all.',
    gives: 'An older TensorFlow on the processor, several times as fast as wasm.',
    ...(blocked === undefined ? {} : { blocked }),
  };
}

function noNpm({ node, npm }: Survey): string | undefined {
  if (node === undefined) {
    return 'There is no Node.js of version 20.19 or newer in PATH or where it is usually installed: install it, or name it in TWA_NODE.';
  }
  return npm === undefined ? `There is no npm beside ${node.path} or in PATH: install it.` : undefined;
}

function findings(survey: Survey): readonly string[] {
  const { devices, python, nvidia, graphics, node } = survey;
  const tensorflow = tensorflowOf(survey);
  return [
    nvidia.length > 0
      ? `NVIDIA's driver knows ${nvidia.join(', ')}.`
      : graphics
        ? survey.platform === 'linux'
          ? 'There is a graphics processor, and no driver of NVIDIA.'
          : 'There is no driver of NVIDIA.'
        : 'No graphics processor was found.',
    ...devices.devices
      .filter(({ name }) => name === 'tensorflow' || name === 'webgpu')
      .map(({ name, usable, detail, reason }) =>
        usable ? `${name} works: ${detail}.` : `${name} does not work: ${reason ?? 'unknown'}`,
      ),
    `${devices.chosen ?? 'Nothing'} computes now.`,
    typeof python === 'string'
      ? python
      : tensorflow === undefined
        ? `${python.path} (Python ${python.version}) has no TensorFlow.`
        : `${python.path} (Python ${python.version}) has TensorFlow ${tensorflow.version}, built ` +
          (tensorflow.cuda === undefined
            ? 'without CUDA.'
            : `for CUDA${tensorflow.cuda === '' ? '' : ` ${tensorflow.cuda}`}${
                tensorflow.libraries.length > 0 ? ', with its libraries beside it' : ''
              }.`),
    node === undefined ? 'No Node.js was found.' : `Node.js ${node.version} is ${node.path}.`,
  ];
}

function tensorflowOf({ python }: Survey): PythonTensorflow | undefined {
  return typeof python === 'string' ? undefined : python.tensorflow;
}

function interpreterOf(python: PythonSurvey | string): string {
  return typeof python === 'string' ? 'your Python' : python.path;
}
