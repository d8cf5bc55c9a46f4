"""The camera's boresight, delay and focal length, from flights whose truth nobody knows."""
