"""Sort TCP segments into connections and directions, and unwrap their sequence numbers."""
