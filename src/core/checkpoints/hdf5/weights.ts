/** `optimizer/vars/3` (Keras 3), `optimizer_weights/adam/...` (legacy). */
const OPTIMIZER = /^optimizer(?:_weights)?(?:\/|$)/;

/** Whether a group or dataset, by its path, is a model's and no optimizer's. */
export const isModels = (path: string): boolean => !OPTIMIZER.test(path);
