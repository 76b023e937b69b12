/** Builds the tree of layers that a configuration describes, and collects all that is in the way before giving up. */
import { isRecord } from '../../core/checkpoints/json.ts';
import type { Fields } from '../../core/keras/architecture.ts';
import { Config, Refusal } from './config.ts';
import { Slot } from './layer.ts';
import type { Child, Layer, LayerBuilder, LayerCall, LayerDefinition, LayerNode, Norm } from './layer.ts';
import { buildModel } from './graph.ts';
import { layerDefinitions } from './layers/index.ts';
import { operationOf } from './operations.ts';

/** Far above what a model has. */
const MAX_LAYERS = 20_000;
const MAX_DEPTH = 32;

const MODELS: ReadonlySet<string> = new Set(['Functional', 'Sequential', 'Model']);

/** Python code, or what works on text and other things that are no numbers: with the reason. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['Lambda', 'runs Python code that is in the file, which is never executed here'],
  ['TFOpLambda', 'calls a function of TensorFlow that only Python has; save the model with Keras 3'],
  ['SlicingOpLambda', 'calls a function of TensorFlow that only Python has; save the model with Keras 3'],
  ['StringLookup', 'works on text: prepare its numbers in the data'],
  ['TextVectorization', 'works on text: prepare its numbers in the data'],
  ['Hashing', 'works on text: prepare its numbers in the data'],
  ['TorchModuleWrapper', 'is a PyTorch module'],
  ['TFSMLayer', 'is a SavedModel of its own'],
  ['FlaxLayer', 'is a Flax module'],
  ['JaxLayer', 'is a JAX function'],
]);

/** By "package>Class" or class alone. */
export type CustomLayers = ReadonlyMap<string, LayerDefinition>;

export class TreeBuilder {
  /** One sentence for each layer that cannot be built. */
  readonly problems: string[] = [];
  readonly notes = new Set<string>();
  readonly isKeras2: boolean;
  readonly #custom: CustomLayers;
  #layers = 0;

  constructor(custom: CustomLayers, isKeras2: boolean) {
    this.#custom = custom;
    this.isKeras2 = isKeras2;
  }

  /** @param entry { class_name, config, ... }; anything else is a problem. */
  layer(entry: unknown, trainable: boolean, depth: number): Layer {
    if (++this.#layers > MAX_LAYERS) throw new Refusal(`has more than ${MAX_LAYERS} layers.`);
    if (depth > MAX_DEPTH) throw new Refusal(`has models in models more than ${MAX_DEPTH} levels deep.`);
    if (!isRecord(entry) || typeof entry['class_name'] !== 'string' || !isRecord(entry['config'])) {
      this.problems.push('There is a layer without class_name and config.');
      return this.#missing('?', '?');
    }
    const className = entry['class_name'];
    const config = new Config(entry['config']);
    const name = nameOf(entry);
    try {
      const isTrained = trainable && config.raw('trainable') !== false;
      this.#checkTypes(config);
      if (this.#isModel(entry)) return buildModel(this, entry['config'], className, name, isTrained, depth);
      const operation = operationOf(entry, config);
      if (operation !== undefined) return this.#finish(className, name, false, operation, config, depth);
      const definition = this.#definitionOf(entry);
      if (definition === undefined) throw new Refusal(refusalOf(className));
      return this.#finish(className, name, isTrained, definition, config, depth);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.problems.push(`${className} "${name}" ${error.message}`);
      return this.#missing(className, name);
    }
  }

  #finish(
    className: string,
    name: string,
    trainable: boolean,
    definition: LayerDefinition,
    config: Config,
    depth: number,
  ): Layer {
    const layer = emptyLayer(className, name, trainable, definition);
    layer.call = definition.build(this.#builderFor(layer, config, depth));
    return layer;
  }

  #builderFor(layer: Layer, config: Config, depth: number): LayerBuilder {
    const child = (attribute: string, layers: Child['layers']): void =>
      void layer.children.push({ attribute, layers });
    return {
      className: layer.className,
      name: layer.name,
      config,
      trainable: layer.trainable,
      isKeras2: this.isKeras2,
      weight: weightsOf(layer),
      norm(mean, variance, momentum) {
        const norm: Norm = { mean, variance, momentum };
        layer.norms.push(norm);
        return norm;
      },
      part(attribute, className) {
        const part: LayerNode = emptyLayer(className, attribute, layer.trainable, undefined);
        child(attribute, part);
        return { weight: weightsOf(part) };
      },
      layer: (attribute, entry) => {
        const inner = this.layer(entry, layer.trainable, depth + 1);
        child(attribute, inner);
        return inner;
      },
      note: (sentence) => void this.notes.add(sentence),
    };
  }

  #definitionOf(entry: Fields): LayerDefinition | undefined {
    const { class_name: className, registered_name: registered, module } = entry as Record<string, string>;
    const custom = this.#custom.get(registered ?? '') ?? this.#custom.get(className!);
    if (custom !== undefined) return custom;
    // A class of the user's own may have the name of one of Keras's.
    const isOwn = (typeof registered === 'string' && registered.includes('>')) || isForeign(module);
    return isOwn ? undefined : layerDefinitions.get(className!);
  }

  #isModel(entry: Fields): boolean {
    const { class_name: className, registered_name: registered, config } = entry;
    if (this.#custom.has(String(registered)) || this.#custom.has(String(className))) return false;
    if (MODELS.has(className as string)) return true;
    // A subclass that was made with inputs and outputs is saved as the graph between them.
    const graph = isRecord(config) && Array.isArray(config['layers']) && 'output_layers' in config;
    if (graph) {
      this.notes.add(
        `The model's class ${String(className)} is the user's own: the graph in the file is computed, and not what else the class does.`,
      );
    }
    return graph;
  }

  /** What is kept in fewer bits than a float. Half precision is computed in float32. */
  #checkTypes(config: Config): void {
    if (config.has('quantization_config') || config.raw('quantization_mode') !== undefined) {
      throw new Refusal('is quantized; average the checkpoints from before quantization.');
    }
    const type = typeOf(config.raw('dtype'));
    if (type === undefined || type === 'float32' || /^u?int|^bool$|^string$/.test(type)) return;
    if (/_from_|^int[48]|^float8/.test(type)) {
      throw new Refusal('is quantized; average the checkpoints from before quantization.');
    }
    this.notes.add(
      `The model computes in ${type} in Keras and in float32 here: losses may differ by its rounding.`,
    );
  }

  #missing(className: string, name: string): Layer {
    return emptyLayer(className, name, false, undefined);
  }
}

export function emptyLayer(
  className: string,
  name: string,
  trainable: boolean,
  definition: LayerDefinition | undefined,
): Layer {
  return {
    className,
    name,
    trainable,
    slots: [],
    children: [],
    norms: [],
    masking: definition?.masking,
    call: unbuilt,
  };
}

const unbuilt: LayerCall = () => {
  throw new Error('This layer has no function.');
};

function weightsOf(node: LayerNode): LayerBuilder['weight'] {
  return (key, shape, role = 'parameter') => {
    const slot = new Slot(key, shape, role);
    node.slots.push(slot);
    return slot;
  };
}

export function nameOf(entry: Fields): string {
  const config = entry['config'];
  const name = isRecord(config) ? (config['name'] ?? entry['name']) : entry['name'];
  return typeof name === 'string' ? name : String(entry['class_name']);
}

function refusalOf(className: string): string {
  const reason = REFUSED.get(className);
  if (reason !== undefined) return `${reason}.`;
  return 'is not known here: export it from a task module as one of its "layers".';
}

function isForeign(module: unknown): boolean {
  return typeof module === 'string' && !/^(?:keras|tf_keras|tensorflow|builtins)(?:\.|$)/.test(module);
}

/** Of "float32", or a policy, or one that maps layers to policies. */
function typeOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!isRecord(value) || !isRecord(value['config'])) return undefined;
  const { name, default_policy: inner } = value['config'];
  if (typeof name === 'string') return name;
  return inner === value ? undefined : typeOf(inner);
}
