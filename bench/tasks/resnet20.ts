import type { TaskContext } from '../../src/compute/objective/task-module.ts';
import { images, resnet20 } from './reference-models.ts';

export const model = ({ tf }: TaskContext) => resnet20(tf);
export const data = (split: string, { tf }: TaskContext) =>
  split === 'validation' ? images(tf, 320, [32, 32, 3]) : undefined;
