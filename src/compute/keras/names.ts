/** Where each weight of a tree of layers is in a checkpoint. */
import type { TensorInfo } from '../../core/checkpoints/types.ts';
import type { LayerNode, Slot } from './layer.ts';

export interface PlacedSlot {
  readonly slot: Slot;
  /** "Conv2D "first", kernel". */
  readonly what: string;
  /** Name of its tensor, or where it should be. */
  readonly name: string;
}

/** Classes that Keras saves by another name than they have in Python. */
const PYTHON_NAMES: ReadonlyMap<string, string> = new Map([['GroupQueryAttention', 'GroupedQueryAttention']]);

/** As Keras names what it keeps in lists: LSTMCell -> lstm_cell. */
export function snakeCase(className: string): string {
  const name = PYTHON_NAMES.get(className) ?? className;
  return name
    .replaceAll(/\W+/g, '')
    .replaceAll(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}

/**
 * In `.weights.h5` and `.keras`: by attributes and classes, numbered where a class comes twice, then by number.
 * keras/src/saving/saving_lib.py, `_save_state` and `_save_container_state` (Keras 3.15).
 */
export function placeByPath(root: LayerNode, tensors: readonly TensorInfo[]): PlacedSlot[] {
  const names = new Map(tensors.map(({ name }) => [normalPath(name), name]));
  const placed: PlacedSlot[] = [];
  const visit = (node: LayerNode, path: string): void => {
    for (const [i, slot] of inFileOrder(node.slots).entries()) {
      const name = `${path}vars/${i}`;
      placed.push({ slot, what: describe(node, slot), name: names.get(normalPath(name)) ?? name });
    }
    for (const { attribute, layers } of node.children) {
      if (!isList(layers)) {
        visit(layers, `${path}${attribute}/`);
        continue;
      }
      const used = new Map<string, number>();
      for (const layer of layers) {
        const name = snakeCase(layer.className);
        const count = used.get(name) ?? 0;
        used.set(name, count + 1);
        visit(layer, `${path}${attribute}/${count === 0 ? name : `${name}_${count}`}/`);
      }
    }
  };
  visit(root, '');
  return placed;
}

/** Private attributes of one version are public in another, and Keras 2.12 called the layers something else. */
function normalPath(name: string): string {
  return name
    .split('/')
    .map((part) => (part === '_layer_checkpoint_dependencies' ? 'layers' : part.replace(/^_+/, '')))
    .join('/');
}

/**
 * In a legacy `.h5`: for each layer of the model a list, of what is trained and then of the rest.
 * keras/src/legacy/saving/legacy_h5_format.py, `_legacy_weights`.
 */
export function placeByOrder(root: LayerNode, order: ReadonlyMap<string, readonly string[]>): PlacedSlot[] {
  const layers = root.children.flatMap(({ layers: children }) => (isList(children) ? children : [children]));
  return layers.flatMap((layer) => {
    const all = slotsOf(layer);
    const sorted = [...all.filter((one) => one.trained), ...all.filter((one) => !one.trained)];
    const names = order.get(layer.name) ?? [];
    return sorted.map(({ slot, what }, i) => ({ slot, what, name: names[i] ?? `${layer.name}/${slot.key}` }));
  });
}

/** In TensorFlow.js's own files: the name of the layer and that of the weight. */
export function placeByName(root: LayerNode): PlacedSlot[] {
  const visit = (node: LayerNode): PlacedSlot[] => [
    ...node.slots.map((slot) => ({ slot, what: describe(node, slot), name: `${node.name}/${slot.key}` })),
    ...node.children.flatMap(({ layers }) => (isList(layers) ? layers : [layers]).flatMap(visit)),
  ];
  return visit(root);
}

function slotsOf(node: LayerNode): { slot: Slot; what: string; trained: boolean }[] {
  return [
    ...inFileOrder(node.slots).map((slot) => ({
      slot,
      what: describe(node, slot),
      trained: node.trainable && slot.role === 'parameter',
    })),
    ...node.children.flatMap(({ layers }) => (isList(layers) ? layers : [layers]).flatMap(slotsOf)),
  ];
}

/** What is trained comes first. */
function inFileOrder(slots: readonly Slot[]): readonly Slot[] {
  return [
    ...slots.filter(({ role }) => role === 'parameter'),
    ...slots.filter(({ role }) => role !== 'parameter'),
  ];
}

const describe = ({ className, name }: LayerNode, { key }: Slot): string => `${className} "${name}", ${key}`;

function isList(layers: LayerNode | readonly LayerNode[]): layers is readonly LayerNode[] {
  return Array.isArray(layers);
}
