"""Airflow 3's own API, for tests that compare what it does with what Windsock does."""

import aiohttp

from tests.airflow.real import RealAirflow, until


async def api_of_airflow_3(airflow: RealAirflow, http: aiohttp.ClientSession) -> tuple[str, dict[str, str]]:
    """Wait until it answers; its address, and the headers of somebody who may do everything."""
    server = f"http://127.0.0.1:{airflow.env['AIRFLOW__API__PORT']}"

    async def answers_at_all() -> bool:
        try:
            async with http.get(f"{server}/auth/token"):
                return True
        except aiohttp.ClientConnectorError:
            return False

    await until(answers_at_all, "Airflow's own API answers", 120, airflow)
    async with http.get(f"{server}/auth/token") as answer:
        return f"{server}/api/v2", {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
