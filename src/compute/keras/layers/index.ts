/** Every layer of Keras that is known here, by its class. */
import type { LayerDefinition } from '../layer.ts';
import { attentionLayers } from './attention.ts';
import { convolutionalLayers } from './convolutional.ts';
import { coreLayers } from './core.ts';
import { mergingLayers } from './merging.ts';
import { normalizationLayers } from './normalization.ts';
import { poolingLayers } from './pooling.ts';
import { recurrentLayers } from './recurrent.ts';
import { regularizationLayers } from './regularization.ts';

export const layerDefinitions: ReadonlyMap<string, LayerDefinition> = new Map([
  ...coreLayers,
  ...convolutionalLayers,
  ...poolingLayers,
  ...normalizationLayers,
  ...regularizationLayers,
  ...mergingLayers,
  ...attentionLayers,
  ...recurrentLayers,
]);
