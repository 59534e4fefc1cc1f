"""What keeprate's learning is measured against, written down as plainly as others do it.

`headmaster` is headmaster's procedure after its README (../shared/sources/headmaster.txt): its MLP, 50 epochs, a random
split that is not stratified, the threshold by F1 on the validation part. `plain_logistic` is scikit-learn's
`LogisticRegression` as it comes, on the vectors as they are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
Probabilities = npt.NDArray[np.float64]

EPOCHS = 50
BATCH = 64


def headmaster(
    vectors: Vectors, indices: Indices, tested: Vectors, *, seed: int, epochs: int = EPOCHS
) -> tuple[Probabilities, float]:
    """P(bucket 0) of (m, d) `tested` photos, and the threshold, after training on (n, d) `vectors`."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    inputs = torch.from_numpy(vectors)
    targets = torch.from_numpy((indices == 0).astype(np.float32))
    order = torch.randperm(len(inputs))
    validation, training = order[: len(order) // 5], order[len(order) // 5 :]
    network = nn.Sequential(
        nn.Linear(inputs.shape[1], 256), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(128, 1),
    )  # fmt: skip
    counts = torch.stack([(targets[training] == 0).sum(), (targets[training] == 1).sum()])
    weight_of = len(training) / (2 * counts.clamp(min=1).float())
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    network.train()
    for _ in range(epochs):
        for batch in training[torch.randperm(len(training))].split(BATCH):
            optimiser.zero_grad()
            logits = network(inputs[batch]).squeeze(1)
            weights = weight_of[targets[batch].long()]
            loss = nn.functional.binary_cross_entropy_with_logits(logits, targets[batch], weight=weights)
            loss.backward()
            optimiser.step()
    network.eval()
    with torch.no_grad():
        said = torch.sigmoid(network(inputs[validation]).squeeze(1)).numpy()
        probabilities = torch.sigmoid(network(torch.from_numpy(tested)).squeeze(1)).numpy()
    return probabilities.astype(np.float64), _best_f1(said, targets[validation].numpy() == 1)


def plain_logistic(vectors: Vectors, indices: Indices, tested: Vectors) -> Probabilities:
    """P(bucket 0) of (m, d) `tested` photos."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000).fit(vectors, indices)
    first: Probabilities = model.predict_proba(tested)[:, 0].astype(np.float64)
    return first


def _best_f1(said: npt.NDArray[np.float32], truth: npt.NDArray[np.bool_]) -> float:
    best, best_threshold = 0.0, 0.5
    for threshold in np.arange(0.1, 0.91, 0.01):
        chosen = said >= threshold
        f1 = 2 * float((chosen & truth).sum()) / max(1, int(chosen.sum()) + int(truth.sum()))
        if f1 > best:
            best, best_threshold = f1, float(threshold)
    return best_threshold
